"""From a response to its reasoning and its final answer, in some seventy languages. All work in linear time.

spans         the response, taken apart; what the other rooms call
format        whether it has the format that was asked for
statements    the sentence that states the answer, for COMET
markup        code, mathematics, addresses and tags: where a text is not prose

How a final answer is found:
phrases       a word for "answer" announces it; nouns, cues and cue_patterns have the words
places        where its value begins
shapes        a JSON key, or the one value in bold
conclusions   the last sentence concludes
verdicts      it says yes or no
therefore     the words with which a sentence concludes
checks        what may stand behind an answer, since it only checks it
scopes        and why a sentence with a value states none: denied, asked, somebody else's, ...

cues.txt, scopes.txt and yes_no.txt have the words: a language is a line in each section.
"""
