// Every permission of the management API, each with one sentence. The same string is an OAuth scope of that API.
// A name never changes meaning. docs/permissions.md is generated from this table.

export const permissions = {
  'accounts:create': 'Create accounts.',
  'accounts:read': 'See accounts.',
  'accounts:update': 'Change, suspend and reinstate accounts, and set their passwords.',
  'accounts:delete': 'Delete accounts.',
  'sessions:read': 'See who is signed in, where, and what was granted.',
  'sessions:delete': 'End sessions and revoke grants.',
  'clients:create': 'Register clients.',
  'clients:read': 'See clients.',
  'clients:update': 'Change clients, and add and retire their secrets.',
  'clients:delete': 'Delete clients.',
  'apis:create': 'Register APIs.',
  'apis:read': 'See APIs and their permissions.',
  'apis:update': 'Change APIs.',
  'apis:delete': 'Delete APIs.',
  'signing-keys:read': 'See the signing keys, without their secret parts.',
  'signing-keys:rotate': 'Rotate the signing keys.',
  'audit-events:create': 'Report events of other services to the ledger.',
  'audit-events:read': 'Read and export the ledger.',
  'settings:read': 'See the settings of the server, without secrets.',
} as const satisfies Record<string, string>;

export type Permission = keyof typeof permissions;
