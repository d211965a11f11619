"""From a response to its reasoning and its final answer, in some seventy languages. All work in linear time.

spans         the response, taken apart; what the other rooms call
format        whether it has the format that was asked for
statements    the sentence that states the answer, for COMET
markup        code, mathematics, addresses and tags: where a text is not prose

How a final answer is found:
boxes, forms  which boxes and quotes are the answer, and which show a form or stand on the way
phrases       a word for "answer" announces it, before or behind (inverted); nouns, cues and cue_patterns have the words
places        where its value begins
shapes        a JSON key, a tag, the one value in bold, an option or a total that is the last line; names, a name
conclusions   the last sentence concludes: with a number (one_number, number_words, durations), a time
              (concluded_times, clock), or plainly (plain); stated tells whether it is its writer's last word, therefore
              has the words
verdicts      it says yes or no
checks        what may stand behind an answer, since it only checks it; remarks, what says something beside it
scopes        and why a sentence with a value states none: denied, asked, somebody else's, ...

`pbrlsvr.words` has the words: a language is a line in each section.
"""
