"""Scores answers in several languages against one English reference, and prints a table.

    python examples/score_by_hand.py                                    # multilingual-e5-small, in this process
    python examples/score_by_hand.py --model BAAI/bge-m3
    python examples/score_by_hand.py --model BAAI/bge-m3 --url http://127.0.0.1:8000/v1

The last line asks a server, such as `vllm serve BAAI/bge-m3 --runner pooling`. The scores are the same.
"""

import argparse
import asyncio

from rich.console import Console
from rich.table import Table

import pbrlsvr
from pbrlsvr.models.embedding.cards import DEFAULT_ENCODER

QUESTION = "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts does it take in all?"
REFERENCE = "It takes 2 bolts of blue fiber. Half of 2 is 1, so it takes 1 bolt of white fiber. 2 + 1 = 3 bolts in all."
RESPONSES = [
    ("de", "right", "Man braucht 2 Ballen blaue Faser. Die Hälfte von 2 ist 1 Ballen weiße. 2 + 1 = 3.\n#### 3"),
    ("sw", "right", "Inahitaji roli 2 za nyuzi za bluu. Nusu ya 2 ni 1, roli ya nyeupe. 2 + 1 = 3.\n#### 3"),
    ("bn", "right", "২ রোল নীল তন্তু লাগে। ২ এর অর্ধেক ১ রোল সাদা। ২ + ১ = ৩ রোল।\n#### ৩"),
    ("zh", "right", "需要2卷蓝色纤维。2的一半是1卷白色纤维。2 + 1 = 3卷。\n#### 3"),
    ("en", "right", "Blue takes 2 bolts and white half of that, 1 bolt. 2 + 1 = 3.\n#### 3"),
    ("de", "wrong", "Man braucht 2 Ballen blaue Faser und 2 Ballen weiße. 2 + 2 = 4.\n#### 4"),
    ("en", "off topic", "The train leaves at noon and arrives in Paris before the evening.\n#### 3"),
]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_ENCODER, help="a folder, or a name on the Hugging Face hub")
    parser.add_argument("--url", action="append", help="an OpenAI-compatible server with that model; may be repeated")
    arguments = parser.parse_args()
    serving = {"place": "endpoint", "endpoint": {"urls": arguments.url}} if arguments.url else {"place": "local"}
    table = Table("language", "answer", "score", "response", title=REFERENCE)
    for language, kind, response in RESPONSES:
        result = await pbrlsvr.embed_cosine(
            data_source=f"by_hand/{language}",
            solution_str=response,
            ground_truth="3",
            extra_info={"language": language, "question": QUESTION, "pivot_reasoning": REFERENCE, "pivot_answer": "3"},
            embedding={"model": arguments.model},
            serving=serving,
        )
        table.add_row(language, kind, f"{result['score']:.3f}", response.splitlines()[0])
    Console().print(table)


if __name__ == "__main__":
    asyncio.run(main())
