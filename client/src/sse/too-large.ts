// The one thing that is wrong with a stream itself: it asks for more memory than it may have.

/** An event is larger than the parser's limit, or a line of it does not end. */
export class EventTooLargeError extends Error {
  override readonly name = "EventTooLargeError";

  constructor(
    /** The most characters that an event may hold. */
    readonly limit: number,
  ) {
    super(`an event of the stream holds more than ${limit} characters`);
  }
}
