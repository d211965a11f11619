"""Which languages and scripts a text is in, and what a reward does about it.

    parse, base, known_tag    a language code -> its canonical BCP-47 tag
    locale, english_name, likely_script    a language code -> what CLDR knows of it
    profile          a text -> shares of its letters by language and by script
    check            a text and the language it should be in -> a share in [0, 1] and a factor for the score
    LanguagePolicy   what the factor is: gate, penalty, off

How a text is judged:

1. Code, LaTeX, addresses and numbers are taken out (`text.read`), invisible characters and look-alike
   letters are put right, and the rest is cut into segments of a sentence or at most 12 words.
2. A script that belongs to one language (Thai, Telugu, Bengali, Hangul, kana, Han without kana) decides by itself. For
   the Latin, Cyrillic, Arabic and Devanagari scripts py3langid gives a probability for each of their languages.
3. A segment goes to a language with probability >= 0.5. Where none has it, it goes to the expected language if that has
   >= 0.2. What remains, and segments of fewer than 3 words, is joined and judged again, 24 words at a time. What then
   still fits no language is undetermined if it is short, and "mis" (a language that is not known) if it is not.
4. Names, acronyms and units in Latin letters among another script, single letters and digits prove nothing.
5. Single words are looked at where there are too few for that, or English ones stand between others (`words`).

What step 1 takes out, no similarity sees either, but for numbers, signs, variables and commands (`text.read`).

Languages that share credit (`tables.SHARED_CREDIT`: Serbian, Croatian and Bosnian; Indonesian and Malay;
Norwegian and Danish; Zulu and Xhosa; simplified and traditional Chinese; ...) count as one. Neighbours
(`tables.NEIGHBOURS`: Hindi, Marathi and Nepali; Portuguese, Galician and Spanish; Czech and Slovak; Afrikaans and
Dutch; ...) are told apart only on the joined text of step 3. For a language that the identifier does not know (Wolof),
text counts as right unless its script is wrong or it is surely (>= 0.8) in one of `tables.WIDELY_MODELLED`.
"""

from pbrlsvr.languages.identify import LanguageProfile, profile
from pbrlsvr.languages.policy import LanguageCheck, LanguageOptions, LanguagePolicy, check, surely_in
from pbrlsvr.languages.tags import base, english_name, known_tag, likely_script, locale, parse

__all__ = [
    "LanguageCheck",
    "LanguageOptions",
    "LanguagePolicy",
    "LanguageProfile",
    "base",
    "check",
    "english_name",
    "known_tag",
    "likely_script",
    "locale",
    "parse",
    "profile",
    "surely_in",
]
