/** The bytes of a record in which its model is looked for. */
const MAX_BEGIN_BYTES = 200;
const MODEL_FIRST = /^\{\s*"model":\s*"([\w.]+)"/;

/** Reads the models of records without parsing them, if they stand where dumpdata puts them: first. */
export class ModelReader {
  /** The begin of the last record, up to its model. Records of one model follow each other. */
  #begin = new Uint8Array();
  #model: string | undefined;

  /** Returns the model in lower case, or undefined if it does not stand first. */
  read(record: Uint8Array): string | undefined {
    if (this.#model !== undefined && startsWith(record, this.#begin)) return this.#model;
    const text = new TextDecoder("latin1").decode(record.subarray(0, MAX_BEGIN_BYTES));
    const match = MODEL_FIRST.exec(text);
    this.#begin = new Uint8Array(record.subarray(0, match?.[0].length ?? 0));
    this.#model = match?.[1]?.toLowerCase();
    return this.#model;
  }
}

function startsWith(bytes: Uint8Array, begin: Uint8Array): boolean {
  if (bytes.length < begin.length) return false;
  for (let index = 0; index < begin.length; index++) {
    if (bytes[index] !== begin[index]) return false;
  }
  return true;
}
