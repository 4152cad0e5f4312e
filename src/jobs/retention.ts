// How long each table keeps what, and which job removes it: one line for every table of the schema.
// docs/operations/retention.md is generated from here; a test compares it with the schema and the jobs.

export type Rule =
  | {
      /** Does not grow by itself: what its rows stand for is there, or is removed with them. */
      readonly holds: string;
    }
  | {
      /** Until when a row is kept. */
      readonly until: string;
      /** The job that removes rows after that, in batches. */
      readonly job: string;
      /** The column that the job looks at; an index begins with it. */
      readonly by: string;
    };

const expired = (job: string, until = 'Its end.'): Rule => ({ until, job, by: 'expires_at' });
const engine = 'remove-expired-engine-state';

export const retention: Readonly<Record<string, Rule>> = {
  access_resources: {
    holds: 'One row per registered resource, until it is removed; deleted with its organization.',
  },
  account_identifiers: { holds: 'At most a mail address and a user name of each account; deleted with it.' },
  account_devices: expired('devices-expiry', 'A year after the last sign-in there.'),
  account_reviews: {
    holds: 'At most one row per account: what is to be looked at after a recovery, until its owner did.',
  },
  accounts: { holds: 'One row per account, until it is deleted.' },
  api_keys: {
    until: 'API_KEY_RETENTION_DAYS after it was revoked or expired; one that works stays.',
    job: 'api-keys-retention',
    by: 'ended_at',
  },
  api_key_secrets: {
    until: 'API_KEY_RETENTION_DAYS after it was replaced; one that works stays, and all go with their key.',
    job: 'api-keys-retention',
    by: 'retires_at',
  },
  apis: { holds: 'One row per API, until it is deleted.' },
  audit_events: {
    until: 'The whole months after AUDIT_RETENTION_DAYS; each month is a partition that is dropped at once.',
    job: 'audit-retention',
    by: 'occurred_at',
  },
  audit_events_default: {
    until: 'AUDIT_RETENTION_DAYS. Empty unless a month had no partition when its events came.',
    job: 'audit-retention',
    by: 'occurred_at',
  },
  audit_listeners: { holds: 'One row per listener that the release has.' },
  audit_refusals: {
    until: 'REFUSAL_RETENTION_DAYS after its minute.',
    job: 'audit-refusals-cleanup',
    by: 'minute',
  },
  budget_entries: {
    until: 'BUDGET_RETENTION_DAYS; the sums of a window that is still there are carried on in one entry.',
    job: 'budgets-retention',
    by: 'occurred_at',
  },
  budget_meters: { holds: 'One row per meter that was registered, until it is removed.' },
  budget_reservations: {
    until: 'A week after it was settled, released or expired.',
    job: 'budgets-retention',
    by: 'closed_at',
  },
  budget_windows: {
    until: 'BUDGET_RETENTION_DAYS after the end of the window.',
    job: 'budgets-retention',
    by: 'window_end',
  },
  budgets: {
    until: 'Deleted with what they limit, or by hand; those of tokens at the end of the token.',
    job: 'budgets-retention',
    by: 'expires_at',
  },
  change_counters: { holds: 'One row per topic that the release has.' },
  changed_keys: { holds: 'The last thousand changes of each topic.' },
  client_secrets: {
    holds: 'At most a few active secrets per client, and its retired ones; deleted with it.',
  },
  clients: { holds: 'One row per client, until it is deleted.' },
  consents: { holds: 'One row per account and client; deleted with either.' },
  cutoffs: {
    until: 'SESSION_ABSOLUTE_SECONDS, and at least a day: until nothing can be from before.',
    job: 'cutoffs-expiry',
    by: 'written_at',
  },
  data_moves: { holds: 'One row, from a move of the data to another database until it is undone.' },
  device_code_guesses: {
    until: 'Half an hour after its quarter of an hour began.',
    job: engine,
    by: 'window_start',
  },
  email_undos: expired(
    'email-undos-expiry',
    'EMAIL_UNDO_DAYS after the change, or when one of them was used.',
  ),
  factors: { holds: 'One row per second factor of an account; deleted with it.' },
  idempotency_keys: expired('idempotency-keys-expiry', 'A day after the request.'),
  jobs: { holds: 'One row per job that a release had.' },
  knex_migrations: { holds: 'One row per migration.' },
  knex_migrations_lock: { holds: 'One row.' },
  master_key_nodes: {
    until: 'An hour after the running process last said which master keys it holds.',
    job: 'master-key-nodes-expiry',
    by: 'seen_at',
  },
  master_keys: { holds: 'One row per master key that ever was; never the key.' },
  logout_deliveries: {
    until: 'A week after it was delivered, 30 days after it was given up.',
    job: 'logout-deliveries-expiry',
    by: 'finished_at',
  },
  limit_counters: expired('limit-counters-expiry', 'Two to three minutes after the last request.'),
  messages: {
    until: 'A week after it was sent, 30 days after it was given up.',
    job: 'messages-expiry',
    by: 'finished_at',
  },
  oidc_grants: expired(engine, 'The end of the last token that may be issued from it.'),
  oidc_replays: expired(engine, 'The end of the proof or assertion that must not be used twice.'),
  oidc_sessions: expired(engine, 'SESSION_IDLE_SECONDS without use, SESSION_ABSOLUTE_SECONDS in all.'),
  oidc_session_clients: { holds: 'One row per client that takes part in a session; deleted with it.' },
  oidc_spent: expired(engine, 'The end of the code, device code or pushed request that is used up.'),
  oidc_tokens: expired(engine, 'The end of the token.'),
  oidc_transients: expired(engine, 'The end of the code, device code, pushed request or sign-in under way.'),
  oidc_transients_home: { holds: 'One row, where there is a Redis.' },
  organization_invitations: expired('registrations-expiry', 'A week after its end, accepted or not.'),
  organization_members: { holds: 'One row per membership; deleted with the organization or the account.' },
  organizations: { holds: 'One row per organization, until it is deleted.' },
  password_history: { holds: 'PASSWORD_HISTORY rows per account at most; deleted with it.' },
  passwords: { holds: 'One row per account; deleted with it.' },
  recovery_codes: { holds: 'The last set of each account; deleted with it.' },
  registration_codes: expired(
    'registrations-expiry',
    'A month after its end; one without an end stays until it is removed.',
  ),
  registrations: expired('registrations-expiry', 'An hour after it began.'),
  revoked_tokens: expired(engine, 'The end that the token would have had anyway.'),
  role_assignments: { holds: 'One row per assignment; deleted with the role or whom it is assigned to.' },
  role_parents: { holds: 'One row per inheritance; deleted with either role.' },
  roles: { holds: 'One row per role, until it is deleted.' },
  server_secrets: { holds: 'One row per secret that the release has, and per pepper of API keys in use.' },
  setup_links: { holds: 'One row, until there is an administrator.' },
  single_user_owner: { holds: 'One row, in single-user mode.' },
  sign_in_attempts: expired(
    'sign-in-attempts-expiry',
    'A while after the last attempt; longest for a known address.',
  ),
  team_members: { holds: 'One row per member of a team; deleted with the membership or the team.' },
  teams: { holds: 'One row per team; deleted with its organization.' },
  terms_acceptances: { holds: 'One row per account and version of the terms; deleted with the account.' },
  usage_counters: { until: 'USAGE_RETENTION_DAYS after its hour.', job: 'usage-retention', by: 'hour' },
  verifications: expired('verifications-expiry', 'A day after its end.'),
  spent_challenges: expired('spent-challenges-expiry', 'Five minutes after the challenge was made.'),
  signing_keys: { holds: 'Two per algorithm, and retired ones for SIGNING_KEY_RETAIN_RETIRED_SECONDS.' },
};
