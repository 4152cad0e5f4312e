// The tables that a copy treats in a way of its own; every other table is copied as it is.

/** Rows that last for minutes, or that the next start makes again: left out of backups. A move takes them along. */
export const PASSING: readonly string[] = [
  'device_code_guesses', // counted for ten minutes
  'jobs', // who runs what just now; each start registers its jobs
  'oidc_spent', // codes and device codes that are used up
  'oidc_transients', // codes, interactions, device codes, pushed requests
  'oidc_transients_home', // where those are looked for first
  'registrations', // people on their way to an account, for an hour
  'spent_challenges', // challenges of passkeys that were answered
  'setup_links', // the link for the first administrator; each start prints a new one
  'verifications', // codes and links that are good for minutes
];

/** Never copied: they say something about this one database. */
export const LOCAL: readonly string[] = ['data_moves'];

/** Who is signed in and what was issued: emptied by a restore, so that nothing that was revoked since comes back to life. */
export const SIGNED_IN: readonly string[] = ['oidc_sessions', 'oidc_grants', 'oidc_tokens'];
