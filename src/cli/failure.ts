/** Exit codes of the command line. */
export const EXIT_OK = 0;
/** The work could not be done. */
export const EXIT_FAILED = 1;
/** Wrong usage of the command line, or a bad setting. */
export const EXIT_USAGE = 2;

/** A command could not do its work. The message is one line for the operator. */
export class Failure extends Error {
  override readonly name = "Failure";
}
