"""Given names that may stand for each other in a search: "Bob" for Robert, "Rob" for Bob, "Muhammad" for Mohammed.

- A short form and its name are direct kin. Two short forms of one name are siblings, which is weaker.
- Two names that share a short form are not kin: Sam may be Samuel or Samantha, and Samuel is not Samantha.
- This is generous, because a search offers what it finds. `nicknames.may_be_called` is stricter, because it allows.
- The data is read when it is first needed, and takes some thousandths of a second.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib.resources import files

from contacts_mcp.words.nicknames import SHORT_FORMS

DIRECT = 0.9
SIBLING = 0.75

# Names that the English data lacks, and the short forms that people say for them.
_MORE = """
aleksandr: sasha alex sanya / aleksandra: sasha ola / alejandro: alex ale jandro / alejandra: ale jandra
alessandro: sandro ale / alessandra: sandra ale / alexander: sascha sasha / alexandra: sascha sasha
anastasia: nastya asya stasia / andreas: andi andy / antonio: tonio tono / anna: anya ania annie / barbara: basia
bartosz: bartek / beatriz: bea / bernardo: nardo / boris: borya / carlos: carlitos / carmen: menchu / carolina: caro
cecilia: ceci / charlotte: lotta / christoph: chris / concepcion: concha conchita / consuelo: chelo
cristina: cris tina / daniela: dani / dmitry: dima mitya / dmitri: dima mitya / dolores: lola / dorota: dorotka
eduardo: lalo edu eddie / ekaterina: katya / elena: lena / elizabeth: elsie bettina / emilio: milo
enrique: quique kike / ernesto: neto / esperanza: pera / eugenia: zhenya / evgeny: zhenya / fernando: nando fer
florian: flo / francesca: fra cesca / francesco: franco cesco ciccio / francisco: paco pancho paquito kiko fran cisco
francisca: paca paqui fran / franziska: franzi / friedrich: fritz fred / gabriel: gabo / gabriela: gaby gabi
galina: galya / georg: schorsch / gerhard: gerd / gertrud: trudi trude / giacomo: mino / giovanni: gianni nanni
giulia: giuli / giuseppe: beppe peppe pino peppino / graciela: chela / grzegorz: grzesiek / guadalupe: lupe lupita
guillermo: memo guille / gustavo: gus tavo / hannelore: hanni lore / heinrich: heinz heiner / helena: lena hela
hector: tito / hendrik: henk rik / ignacio: nacho / ignazio: nazio / irina: ira / isabel: chabela isa / ivan: vanya
jacek: jacus / jadwiga: jadzia / jan: janek hans jasiu / jesus: chuy chucho suso / joachim: jochen achim
joao: joaozinho / johann: hans hannes / johannes: hans hannes jo / jorge: coco / jose: pepe chepe zezinho
josef: sepp pepi jupp / josefa: pepa fina / josephine: josy / juan: juancho juanito / julia: julka yulia
karl: kalle / karolina: karo / katarzyna: kasia kaska / katharina: kathi kati kaethe / konstantin: kostya
krzysztof: krzysiek kris / larisa: lara / leonardo: leo nardo / leticia: leti / ljudmila: mila luda / lorenzo: enzo
lourdes: lulu / luciana: lu / ludwig: lutz / ludmila: mila luda / luigi: gigi gino / luis: lucho luisito
lukasz: luki / magdalena: magda lena madzia / malgorzata: gosia malgosia / manfred: manni
manuel: manolo manu manny / manuela: manu / marcin: marcinek / margarita: rita / margarethe: grete gretel
maria: mari marichu masha mia / mario: mayito / martina: tina / matthias: matze / matteo: teo / mercedes: merche
michael: michi micha / michal: misiek / mikhail: misha / mikolaj: miki / mohammed: mo / monica: moni
nadezhda: nadya / natalia: nata natasha / nikolai: kolya / nikolaus: klaus niko / oleksandr: sasha oles / olga: olya
patricia: paty / pavel: pasha / pedro: perico / pilar: pili / piotr: piotrek / pyotr: petya / rafael: rafa
ramon: moncho / raymundo: mundo / reinhard: reini / ricardo: richi cardo rico / roberto: beto robi berto tito
rodrigo: rodri / rosario: charo / rosa: rosita / salvador: chava salva / salvatore: toto turi / santiago: santi
sebastian: basti sebas / sergio: checo / sergei: seryozha serge / sergey: seryozha serge / sigrid: siggi / silvia: silvi
sofia: sofi sonya / soledad: sole / stanislaw: staszek stach / stefan: steff / stefania: stefi / susanne: susi sanne
svetlana: sveta / szymon: szymek / tatiana: tanya / teodoro: teo / teresa: tere maite / tomas: tomy / tomasz: tomek
ulrich: uli / ulrike: uli rike / ursula: uschi ulla / valentina: valya vale / vasily: vasya / veronica: vero
vicente: chente / victoria: vica / viktor: vitya / vincenzo: enzo vinz / vladimir: vova volodya vlad / walter: walti
wilhelm: willi willy / wojciech: wojtek / wolfgang: wolf wolfi / yekaterina: katya / yelena: lena / yevgeny: zhenya
yuri: yura / zbigniew: zbyszek / zofia: zosia
"""

# One name in several spellings.
_SPELLINGS = """
mohammed muhammad mohamed mohammad muhammed mohamad mehmet / catherine katherine kathryn catharine katharine cathryn
stephen steven stephan stefan / jeffrey geoffrey jeffery / john jon / sean shaun shawn / brian bryan / eric erik erick
mark marc / philip phillip / sara sarah / ann anne anna / teresa theresa / elizabeth elisabeth / isabel isabelle isobel
alan allan allen / gregory gregor / lawrence laurence lorenz / carl karl / christian kristian / christina kristina
nicholas nicolas nikolas nikolaus / sofia sophia / zachary zachery zackary / michael mikhail michal mikael
alexander aleksandr alexandre aleksander / joseph josef jozef / yusuf youssef yousef yusef / ahmed ahmad achmed
hussein husain hussain husayn / ali aly / hassan hasan / fatima fatimah fatma / aisha ayesha aysha / omar umar
abdullah abdallah abdulla / ibrahim ebrahim / khaled khalid / said saeed sayed / jamal gamal / mustafa mostafa
dmitry dmitri dimitri dmitriy / sergei sergey sergej / yuri yuriy juri / andrei andrey andrej / alexei alexey aleksei
natalia nataliya natalya natalie / julia yulia juliya / tatiana tatyana / yelena elena / yekaterina ekaterina
"""


def kindred(word: str) -> Mapping[str, float]:
    """The names that a folded word may stand for, each with its likeness. The word itself is not among them."""
    return _kindred(word)


@lru_cache(maxsize=2048)
def _kindred(word: str) -> Mapping[str, float]:
    short_forms, names = _tables()
    direct = {*short_forms.get(word, ()), *names.get(word, ())}
    siblings = {form for name in names.get(word, ()) for form in short_forms[name]} - direct
    found = dict.fromkeys(direct, DIRECT) | dict.fromkeys(siblings, SIBLING)
    found.pop(word, None)
    return found


@cache
def _tables() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """name -> its short forms, and short form -> the names that it stands for."""
    short_forms, names = defaultdict(set), defaultdict(set)
    for name, forms in _pairs():
        for form in forms:
            short_forms[name].add(form)
            names[form].add(name)
    for spellings in map(str.split, re.split(r"[/\n]", _SPELLINGS)):
        for name in spellings:
            short_forms[name].update(spellings)
    return dict(short_forms), dict(names)


def _pairs() -> Iterator[tuple[str, Iterable[str]]]:
    data = files(__package__).joinpath("nicknames.txt").read_text(encoding="utf-8")
    entries = [line for line in data.splitlines() if not line.startswith("#")]
    for entry in (*entries, *re.split(r"[/\n]", SHORT_FORMS + _MORE)):
        name, _, forms = entry.partition(":")
        yield name.strip(), forms.split()
