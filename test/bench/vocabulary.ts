import { Random } from "../support/random.ts";

/** Words of a chat, which occur as often as words do (Zipf's law). */
const WORDS = 50_000;
const USUAL_WORDS = 10;
const SYLLABLES = "ka to mi re sho in ter al ing er st ou pre con ly ed ment an or es".split(" ");
const FIRST_HAN = 0x4e00;
const HAN_CHARACTERS = 3000;

export class Vocabulary {
  readonly #words: readonly string[];
  /** The sum of the frequencies of a word and of all more frequent ones. */
  readonly #sums = new Float64Array(WORDS);
  readonly #random: Random;

  constructor(private readonly script: "latin" | "han") {
    this.#random = new Random(1, `vocabulary ${script}`);
    const latin = script === "latin";
    this.#words = Array.from({ length: WORDS }, (_, rank) => (latin ? latinWord(rank) : this.#hanWord()));
    let sum = 0;
    for (let rank = 0; rank < WORDS; rank++) this.#sums[rank] = sum += 1 / (rank + 3);
  }

  /** A message: ten words on average. */
  text(): string {
    const count = 1 + Math.floor(-Math.log(1 - this.#random.next()) * (USUAL_WORDS - 1));
    const words = Array.from({ length: count }, () => this.#words[this.#pick()]);
    return words.join(this.script === "latin" ? " " : "");
  }

  /** What to search for. */
  queries(random: Random): Record<string, () => string> {
    const word = (from: number, to: number) => this.#words[from + random.integer(to - from)] ?? "";
    return {
      "two words, one of the 500 most frequent and one of the 5,000": () =>
        `${word(0, 500)} ${word(0, 5000)}`,
      "the two most frequent words": () => `${word(0, 1)} ${word(1, 2)}`,
      "a rare word": () => word(5000, WORDS),
      "the most frequent word": () => word(0, 1),
      ...(this.script === "latin" && {
        "a beginning of three letters": () => `${word(100, 5000).slice(0, 3)}*`,
      }),
    };
  }

  #pick(): number {
    const wanted = this.#random.next() * (this.#sums[WORDS - 1] ?? 0);
    let low = 0;
    let high = WORDS - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sums[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Two characters. */
  #hanWord(): string {
    const character = () =>
      String.fromCharCode(FIRST_HAN + Math.floor(HAN_CHARACTERS * this.#random.next() ** 2));
    return character() + character();
  }
}

function latinWord(rank: number): string {
  let word = "";
  for (let rest = rank + 20; rest > 0; rest = Math.floor(rest / SYLLABLES.length))
    word += SYLLABLES[rest % SYLLABLES.length];
  return word;
}
