// The server's limits of what a reader may enter, as tests/cases/limits.json has them.

export const MOST_RATE = 2_000; // of a load, in requests a second
export const MOST_SECONDS = 1_800; // of a load
export const MOST_PODS = 10_000; // of a "What if"
export const MOST_USAGE = 100_000; // of a "What if", in percent, or in millicores of a pod
