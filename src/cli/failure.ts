/** Exit codes of the command line. */
export const EXIT_OK = 0;
/** The command failed. */
export const EXIT_FAILED = 1;
/** Wrong usage of the command line, or a bad setting. */
export const EXIT_USAGE = 2;

/** A command has failed. The message is one line for the operator. */
export class Failure extends Error {
  override readonly name = "Failure";
}
