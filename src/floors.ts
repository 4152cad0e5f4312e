// The map of src: each folder, its floor and its one sentence. Imports only go down; test/architecture.test.ts keeps it so.

export const floors = {
  lib: { floor: 0, is: 'Pure functions used by more than one folder.' },
  guard: {
    floor: 1,
    is: 'The library that APIs install: stands apart, and imports nothing from here but lib.',
  },
  vocabulary: { floor: 1, is: 'The words the product says in public: permissions, events, error codes.' },
  platform: { floor: 2, is: 'The outside world: config, PostgreSQL, HTTP, secrets, clock, logs.' },
  audit: { floor: 3, is: 'The ledger of who did what.' },
  settings: { floor: 3, is: 'How the server is configured, for operators to see.' },
  terminal: { floor: 3, is: 'The signed-in terminal: device-flow login, the token file, who am I.' },
  accounts: { floor: 4, is: 'People who can sign in.' },
  apis: { floor: 4, is: 'Resource servers: audience, permissions, token format and lifetime.' },
  'signing-keys': { floor: 4, is: 'The keys that sign tokens: next, current, retired.' },
  jobs: {
    floor: 4,
    is: 'Scheduled work seen from outside: its state, runs by hand, and how long each table keeps what.',
  },
  'master-key': { floor: 4, is: 'The key over all other keys at rest, and its rotation.' },
  lockout: { floor: 4, is: 'Failed attempts per account, address and pair, and their release.' },
  messages: { floor: 4, is: 'Mail and SMS: the outbox, what is written in them, and who carries them.' },
  clients: { floor: 5, is: 'OAuth clients: registration rules, secrets and metadata.' },
  organizations: { floor: 5, is: 'Organizations, teams, and who is a member.' },
  verification: { floor: 5, is: 'One-time codes and links by mail or SMS, each for one purpose.' },
  usage: { floor: 5, is: 'How much was used, by hour: counted in memory, written together.' },
  budgets: { floor: 6, is: 'Limits on meters over windows: reserve, settle, release.' },
  access: { floor: 6, is: 'Who may do what: roles, assignments, decisions and why.' },
  credentials: { floor: 6, is: 'Every way a person proves who they are, behind one door.' },
  authzen: {
    floor: 7,
    is: 'Decisions and searches for other services: the OpenID AuthZEN Authorization API.',
  },
  'api-keys': { floor: 7, is: 'Keys for machines: one string that says who calls.' },
  assurance: {
    floor: 7,
    is: 'How sure a sign-in must be, for whom and for what, and what is missing: the one policy.',
  },
  registration: { floor: 7, is: 'Becoming an account: open, by code, by invitation.' },
  recovery: { floor: 7, is: 'A forgotten password, and new addresses and numbers.' },
  deletion: { floor: 7, is: 'Accounts that are to be deleted: time to think it over, and the end.' },
  imports: { floor: 7, is: 'Directories of people brought along from another system.' },
  notices: {
    floor: 7,
    is: 'What people are told about their own account: a new device, a changed password.',
  },
  oidc: { floor: 8, is: 'The protocol engine, configured. The only folder that imports oidc-provider.' },
  sessions: { floor: 9, is: 'Signed-in browsers, grants and what was issued from them.' },
  gateway: { floor: 9, is: 'One question, any credential: whose token is this, and is it still good?' },
  compromise: {
    floor: 9,
    is: 'A key in the wrong hands: what a string is, ending it, and reports of leaks.',
  },
  'key-auth': { floor: 9, is: 'Keys and their tokens at /api/auth, for programs that know no OAuth.' },
  interaction: { floor: 10, is: 'The hosted pages between /authorize and the redirect back.' },
  'self-service': { floor: 10, is: 'The account pages: their frame, and what belongs to no other feature.' },
  setup: { floor: 10, is: 'The first administrator, once, and the page that says who this server is.' },
  backup: { floor: 10, is: 'Copies of everything: backup, restore, and the move to another database.' },
  doctor: { floor: 11, is: 'Examines the server from outside and inside, and says what to do.' },
} as const;

export type Folder = keyof typeof floors;
