/** First bytes of RESP values, and the line end. */
export const CR = 13;
export const LF = 10;
export const BULK = 0x24; // $
export const BLOB_ERROR = 0x21; // !
export const VERBATIM = 0x3d; // =
export const INTEGER = 0x3a; // :
export const ARRAY = 0x2a; // *
export const MAP = 0x25; // %
export const SET = 0x7e; // ~
export const PUSH = 0x3e; // >
export const ATTRIBUTE = 0x7c; // |
export const SIMPLE = 0x2b; // +
export const ERROR = 0x2d; // -
export const DOUBLE = 0x2c; // ,
export const BIG_NUMBER = 0x28; // (
export const BOOLEAN = 0x23; // #
export const NULL = 0x5f; // _
