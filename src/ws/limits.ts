/** Bytes in one frame of a client. */
export const MAX_FRAME_BYTES = 65_536;
/** Bytes that may wait for one reader. Beyond that it is cut. */
export const MAX_BACKPRESSURE_BYTES = 1 << 20;
/** Bytes of messages in the first frame. It leaves space for what is published while the frame is being read. */
export const MAX_FIRST_FRAME_BYTES = MAX_BACKPRESSURE_BYTES - MAX_FRAME_BYTES;
