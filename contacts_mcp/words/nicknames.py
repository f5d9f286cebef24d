"""Whether a contact may be the person that somebody named: "Bob Smith" for Robert Smith.

- Forgiven are case, accents, punctuation, titles, the order of the words, initials, another script, and the common
  short forms of first names.
- A part is enough: the first name, the last name, or both. One more word on either side is forgiven, a different word
  is not.
- A short form stands for several names, and these are not forgiven for each other: Sam is Samuel or Samantha, and
  Samuel is not Samantha.
- A father is not his son: "King Sr." is not King Jr.
- `is_full_name` is stricter. There the name alone says who is meant.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate

from contacts_mcp.words.folding import WRITTEN_OUT, fold, unaccented
from contacts_mcp.words.search_words import pieces, sound
from contacts_mcp.words.titles import TITLES, are_other_generations, generation_in

# A first name, and the short forms that people say for it.
SHORT_FORMS = """
abigail: abby abbie gail / abraham: abe bram / albert: al bert bertie / alexander: alex al xander sandy sasha lex
alexandra: alex sandra sandy lexi sasha / alfred: al alf alfie fred / alison: ali allie / amanda: mandy / andrea: andi
andrew: andy drew / angela: angie / anthony: tony ant / antonio: tony toni / antonia: toni / arthur: art artie
barbara: barb babs barbie / benjamin: ben benny benji / bernard: bernie / beverly: bev / bradley: brad / brandon: bran
calvin: cal / cameron: cam / caroline: carrie caro / cassandra: cass cassie sandra
catherine: cathy cath cat kate katie / charles: charlie chuck chas chip / charlotte: charlie lottie / christian: chris
christine: chris chrissy tina / christina: chris chrissy tina / christopher: chris kit topher / clifford: cliff
constance: connie / cynthia: cindy / daniel: dan danny / danielle: dani / david: dave davy davey / deborah: deb debbie
dennis: denny / dominic: dom nick / donald: don donny / dorothy: dot dottie dolly / douglas: doug
edward: ed eddie ted teddy ned / edwin: ed eddie / eleanor: ellie nell nora
elizabeth: liz lizzie beth betty betsy eliza lisa libby bess / emily: em emmy / emma: em / eugene: gene
evelyn: evie eve / florence: flo flossie / frances: fran frannie / francis: frank fran / franklin: frank
frederick: fred freddie / gabriel: gabe / gabrielle: gabby / geoffrey: geoff / gerald: gerry jerry / gilbert: gil bert
gregory: greg / harold: hal harry / harriet: hattie / helen: nell / henry: harry hank hal / herbert: herb bert
howard: howie / isabella: bella izzy isa / isabel: izzy bella / jacob: jake / jacqueline: jackie
james: jim jimmy jamie jem / janet: jan / jason: jay / jeffrey: jeff / jennifer: jen jenny jenn / jeremy: jerry jem
jessica: jess jessie / joan: joanie / joanna: jo / john: jack johnny jon / jonathan: jon jonny john / jordan: jordy
joseph: joe joey jo / josephine: jo josie / joshua: josh / judith: judy / julia: jules / julian: jules
katherine: kathy kate katie kat kit / kathleen: kathy kate kath / kenneth: ken kenny / kimberly: kim kimmy
lawrence: larry laurie / leonard: len lenny leo / leslie: les / lillian: lily lil / louis: lou louie / louise: lou
lucille: lucy / madeline: maddie / margaret: maggie meg peggy marge greta rita / maria: mia / marilyn: mary
marjorie: marge / martin: marty / martha: marty / mary: molly polly / matthew: matt matty / matilda: tilly
maxwell: max / maximilian: max / melanie: mel / melissa: mel missy / melvin: mel / michael: mike mick mickey mikey
michelle: shelly / miguel: mike / mildred: millie / mitchell: mitch / mohammed: mo mohamed muhammad mohammad
nancy: nan / natalie: nat / nathan: nate nat / nathaniel: nate nat nathan / nicholas: nick nicky nico
nicole: nicky nikki / oliver: ollie / olivia: liv livvy / pamela: pam / patricia: pat patty tricia trish
patrick: pat paddy / peter: pete / philip: phil / phillip: phil / priscilla: cilla / rachel: rach / raymond: ray
rebecca: becky becca / reginald: reg reggie / richard: rick rich dick ricky richie / robert: rob bob bobby robbie bert
roberta: bobbie / rodney: rod / roger: rog / ronald: ron ronnie / rosemary: rose rosie / russell: russ
samantha: sam sammy / samuel: sam sammy / sandra: sandy / sarah: sally sadie / sebastian: seb bas / sharon: shari
sophia: sophie / stanley: stan / stephanie: steph / stephen: steve stevie / steven: steve stevie
susan: sue susie suzy / susanna: sue susie / sylvia: syl / tabitha: tabby / teresa: terry tess / theresa: terry tess
terence: terry / theodore: ted teddy theo / thomas: tom tommy / timothy: tim timmy / valerie: val / vanessa: nessa
veronica: ronnie roni / victor: vic / victoria: vicky tori / vincent: vince vinny / virginia: ginny
walter: walt wally / wesley: wes / wilfred: will fred / william: will bill billy willy liam / winifred: winnie
zachary: zach zack
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


def _formal_names() -> dict[str, frozenset[str]]:
    """short form -> the names that it stands for."""
    found: dict[str, set[str]] = defaultdict(set)
    for entry in re.split(r"[/\n]", SHORT_FORMS):
        name, _, short = entry.partition(":")
        for form in short.split():
            found[form].add(name.strip())
    return {form: frozenset(names) for form, names in found.items()}


_FORMAL = _formal_names()


def may_be_called(said: str, *, first: str = "", last: str = "", display_name: str = "") -> bool:
    """Whether a person may call the contact of these names `said`. A contact without a name is called nothing."""
    names = [name for name in (f"{first} {last}", display_name) if name.strip()]
    if any(are_other_generations(_generation(said), _generation(name)) for name in names):
        return False
    spoken, own, shown = _words(said), _words(f"{first} {last}"), _words(display_name)
    if any(_is_whole(spoken, words) for words in (own, _words(f"{last} {first}"), shown)):
        return True
    if not spoken:  # a name of symbols
        return fold(said) in map(fold, names)
    if _are_among(spoken, shown):
        return True
    return _are_among(spoken, own or shown) or _are_among(own or shown, spoken)


def is_full_name(said: str, *, first: str = "", last: str = "", display_name: str = "") -> bool:
    """Whether `said` is the whole name of the contact, in any order. Case, accents, titles and blanks are forgiven.

    A generation that was said must be in the name. One that was not said is forgiven.
    """
    names = [name for name in (f"{first} {last}", f"{last} {first}", display_name) if name.strip()]
    generation = _generation(said)
    return any(
        generation in ("", _generation(name)) and _is_whole(_words(said), _words(name))
        for name in names
        if not any(are_other_generations(generation, _generation(other)) for other in names)
    )


def _generation(name: str) -> str:
    return generation_in([unaccented(word) for word in re.findall(r"\w+", name)])


def _words(text: str) -> list[str]:
    """The words of a name without titles. An apostrophe parts nothing: "O'Neil" is one word."""
    joined = re.sub(r"['`\u2018\u2019\u02bc.](?=\w\w)", "", text.casefold())
    words = re.findall(r"\w+", joined)
    return [word for word in words if unaccented(word) not in TITLES] or words


def _is_whole(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two names have the same words, in any order, or the same letters with other blanks between them."""
    if len(words) != len(others):
        return _are_one_text(words, others)
    left = list(others)
    for word in words:
        match = next((other for other in left if _spellings(word) & _spellings(other)), None)
        if match is None:
            return _are_one_text(words, others)
        left.remove(match)
    return bool(words)


def _are_one_text(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether one name only parts the words of the other: "Delacruz" and "de la Cruz".

    "Ann Abell" and "Anna Bell" have the same letters too, and each parts the other's words elsewhere.
    """
    one, other = ([unaccented(word) for word in each] for each in (words, others))
    ends, its_ends = ({*accumulate(map(len, each))} for each in (one, other))
    return bool(one) and "".join(one) == "".join(other) and (ends <= its_ends or its_ends <= ends)


def _are_among(words: Sequence[str], others: Iterable[str]) -> bool:
    """Whether each of `words` is another one of `others`. Initials alone are no name."""
    left, is_name = list(others), False
    for word in sorted(words, key=len, reverse=True):
        match = next((other for other in left if _is_same(word, other)), None)
        if match is None:
            return False
        left.remove(match)
        is_name = is_name or not (_is_initial(word) or _is_initial(match))
    return is_name


def _is_initial(word: str) -> bool:
    """One letter of an alphabet. One ideograph is a whole name."""
    return len(word) == 1 and unaccented(word).isascii()


def _is_same(one: str, other: str) -> bool:
    if _spellings(one) & _spellings(other):
        return True
    plain, others = unaccented(one), unaccented(other)
    if _is_initial(plain) or _is_initial(others):
        return plain[:1] == others[:1]
    if plain.isascii() != others.isascii():
        return _are_alike_in_latin(plain, others)
    return bool(_names_behind(plain) & _names_behind(others))


def _are_alike_in_latin(one: str, other: str) -> bool:
    """Whether a word in Latin letters may be one of another script. It sounds the same, and ends in the same letter."""
    said, foreign = (one, other) if one.isascii() else (other, one)
    forms = [form for piece in pieces(foreign) for form in piece.spellings if form.isascii()]
    return any(form == said or (sound(form) == sound(said) != "" and _end(form) == _end(said)) for form in forms)


def _end(word: str) -> str:
    return word[-1:].translate(_SAME_ENDS)


_SAME_ENDS = str.maketrans("yj", "ii")


def _spellings(word: str) -> set[str]:
    """Without accents, and in the way of German: "müller" -> "muller", "mueller"."""
    return {unaccented(word), unaccented(word.translate(WRITTEN_OUT))}


def _names_behind(word: str) -> frozenset[str]:
    """The names that a word may stand for. A name that is also a short form is meant as itself, too."""
    return _FORMAL.get(word, frozenset()) | {word}
