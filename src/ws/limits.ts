/** Bytes in one frame of a client. */
export const MAX_FRAME_BYTES = 65_536;
/** Bytes that may wait for one reader. Beyond that its connection is terminated. */
export const MAX_BACKPRESSURE_BYTES = 1 << 20;
/** Bytes in the first frame. The rest of the send buffer is for changes published while the client reads the frame. */
export const MAX_FIRST_FRAME_BYTES = MAX_BACKPRESSURE_BYTES - MAX_FRAME_BYTES;
