/** Bytes in one frame of a client. */
export const MAX_FRAME_BYTES = 65_536;
/** Bytes that may wait for one reader. Beyond that its connection is terminated. */
export const MAX_BACKPRESSURE_BYTES = 1 << 20;
/** Bytes in the first frame. The rest of the send buffer is for changes published while the client reads the frame. */
export const MAX_FIRST_FRAME_BYTES = MAX_BACKPRESSURE_BYTES - MAX_FRAME_BYTES;
/** Bytes in an `opened` frame. The rest of the send buffer is for the other rooms of the session. */
export const MAX_OPENED_BYTES = MAX_BACKPRESSURE_BYTES / 2;
/** Rooms that a session may have open at once. */
export const MAX_OPEN_ROOMS = 100;
/** Bytes that may wait for a reader before notices and activity are withheld from it. */
export const SLOW_READER_BYTES = 65_536;
