// Every permission of the management API, each with one sentence. The same string is an OAuth scope of that API.
// A name never changes meaning. docs/permissions.md is generated from this table.

export const permissions = {
  'access:execute': 'Ask for decisions: whether somebody may do something.',
  'access:search': 'Search for who may do something, to what, and what somebody may do.',
  'accounts:admin':
    'Make and unmake administrators, change their accounts, and end the lockout of an address.',
  'accounts:create': 'Create accounts.',
  'accounts:delete': 'Delete accounts.',
  'accounts:read': 'See accounts.',
  'accounts:update': 'Change, suspend and reinstate accounts, and end their lockouts.',
  'api-keys:admin': 'Say what tokens made from API keys claim beside what the server says.',
  'api-keys:create': 'Make API keys.',
  'api-keys:delete': 'Revoke API keys.',
  'api-keys:read': 'See API keys, without their secrets.',
  'api-keys:rotate': 'Give API keys new secrets.',
  'api-keys:update': 'Change, disable and enable API keys.',
  'api-keys:verify':
    'Ask whether keys and tokens of others are good for a request: for gateways and services.',
  'apis:create': 'Register APIs.',
  'apis:delete': 'Delete APIs.',
  'apis:read': 'See APIs.',
  'apis:update': 'Change APIs.',
  'audit-events:create': 'Report events of other services to the ledger.',
  'audit-events:read': 'Read and export the ledger.',
  'budgets:create': 'Set budgets, and register meters.',
  'budgets:delete': 'Delete budgets and meters.',
  'budgets:execute': 'Reserve, settle and release amounts under budgets.',
  'budgets:read': 'See budgets, what is used of them, and meters.',
  'budgets:update': 'Change budgets, and correct what counts as used.',
  'clients:create': 'Register clients.',
  'clients:delete': 'Delete clients.',
  'clients:read': 'See clients.',
  'clients:update': 'Change and disable clients, give them secrets and retire those.',
  'jobs:execute': 'Let scheduled work run now.',
  'jobs:read': 'See scheduled work and how it went.',
  'organizations:create': 'Create organizations.',
  'organizations:delete': 'Delete organizations.',
  'organizations:read': 'See organizations, their members and their teams.',
  'organizations:update':
    'Change, suspend and reinstate organizations, and say who is a member of them and of their teams.',
  'own-api-keys:create': 'Make API keys of their own.',
  'own-api-keys:delete': 'Revoke API keys of their own.',
  'own-api-keys:read': 'See API keys of their own.',
  'own-api-keys:update': 'Change, rotate, disable and enable API keys of their own.',
  'resources:delete': 'Remove registered resources.',
  'resources:read': 'See registered resources and their properties.',
  'resources:update': 'Register resources, and change their properties.',
  'roles:assign': 'Assign roles and take them away, as far as one holds what they hold.',
  'roles:create': 'Make roles, as far as one holds what they hold.',
  'roles:delete': 'Remove roles.',
  'roles:read': 'See roles, to whom they are assigned, and what somebody holds.',
  'roles:update': 'Change roles, as far as one holds what is added to them.',
  'sessions:delete': 'End sessions, and revoke grants with what was issued from them.',
  'sessions:execute': 'Have clients told again that a session ended.',
  'sessions:read': 'See who is signed in, and what they granted to which client.',
  'settings:read': 'See how the server is configured, without the secrets.',
  'signing-keys:delete': 'Withdraw signing keys that leaked.',
  'signing-keys:read': 'See the signing keys, without their private parts.',
  'signing-keys:update': 'Rotate the signing keys.',
  'usage:read': 'See how much keys, clients and tokens were used.',
} as const satisfies Record<string, string>;

export type Permission = keyof typeof permissions;

/** What every account holds, without a role: they concern nothing but what is its own. */
export const everyone: readonly Permission[] = [
  'own-api-keys:create',
  'own-api-keys:delete',
  'own-api-keys:read',
  'own-api-keys:update',
];
