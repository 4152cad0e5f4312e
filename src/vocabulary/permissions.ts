// Every permission of the management API, each with one sentence. The same string is an OAuth scope of that API.
// A name never changes meaning. docs/permissions.md is generated from this table.

export const permissions = {
  'accounts:read': 'See accounts.',
  'audit-events:create': 'Report events of other services to the ledger.',
  'audit-events:read': 'Read and export the ledger.',
} as const satisfies Record<string, string>;

export type Permission = keyof typeof permissions;
