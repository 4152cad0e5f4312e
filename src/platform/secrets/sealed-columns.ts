// Every column that holds values sealed by the vault, and the key of its row: what a new master key has to re-wrap. The
// vault takes no other place, so a column that is missing here does not compile.

export const sealedColumns = {
  'factors.secret': 'id',
  'messages.payload': 'id',
  'server_secrets.sealed': 'name',
  'signing_keys.private_key': 'kid',
} as const;

export type SealedColumn = keyof typeof sealedColumns;

/** `signing_keys.private_key:<kid>`: a value moved elsewhere does not open. */
export type SealedPlace = `${SealedColumn}:${string}`;
