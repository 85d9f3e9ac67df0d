/** The default secret of XXH3, 192 bytes: a constant of the algorithm (xxhash_spec.md, section "XXH3"). */
export const xxh3DefaultSecret: Uint8Array = Buffer.from(
  "uP5sOSOkS758AYEs9yGtHN7UbemDkJfbckCkpLezZx/LeeZOzMDleIJa0H3M/3Ih" +
    "uAhGdPdDJI7gNZDmgTomTDwoUruRwwDLiNBlixtTLqNxZEiXog35TjgZ70ap3qzY" +
    "qPp2P+OcND/53LvHxwtPHYpR4EvNtFkxyJ9+ydl4c2TqxayDNNPrw8WBoP/6E2Pr" +
    "Fw3dUbfw2knTFlUmKdRonisWvlh9R6H8j/i40XrQMc5FyzqPlRYEKK/X+8q7S0B+",
  "base64",
);
