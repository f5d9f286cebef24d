"""Whether a contact may be the person that somebody named: "Bob Smith" for Robert Smith.

- Forgiven are case, accents, punctuation, titles, the order of the words, initials, and the common short forms of
  English first names.
- A part is enough: the first name, the last name, or both. One more word on either side is forgiven, a different word
  is not.
- A short form stands for several names, and these are not forgiven for each other: Sam is Samuel or Samantha, and
  Samuel is not Samantha.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from contacts_mcp.words.folding import WRITTEN_OUT, fold, unaccented

TITLES = frozenset(
    "mr mrs ms miss mx dr prof sir dame madam jr sr ii iii iv phd md esq".split()  # noqa: SIM905 -- a list of words
)

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
    if fold(said) in {fold(text) for text in (first + last, last + first, display_name) if text}:
        return True
    spoken, own, shown = _words(said), _words(f"{first} {last}"), _words(display_name)
    if _are_among(spoken, shown):
        return True
    return _are_among(spoken, own or shown) or _are_among(own or shown, spoken)


def _words(text: str) -> list[str]:
    """The words of a name without titles. An apostrophe parts nothing: "O'Neil" is one word."""
    joined = re.sub(r"['`\u2018\u2019\u02bc.](?=\w\w)", "", text.casefold())
    words = re.findall(r"\w+", joined)
    return [word for word in words if word not in TITLES] or words


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
    return bool(_names_behind(plain) & _names_behind(others))


def _spellings(word: str) -> set[str]:
    """Without accents, and in the way of German: "müller" -> "muller", "mueller"."""
    return {unaccented(word), unaccented(word.translate(WRITTEN_OUT))}


def _names_behind(word: str) -> frozenset[str]:
    """The names that a word may stand for. A name that is also a short form is meant as itself, too."""
    return _FORMAL.get(word, frozenset()) | {word}
