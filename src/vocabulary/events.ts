// Every event the ledger may hold, each with one sentence; and the kinds of refusals that are only counted.
// A name never changes meaning. docs/events.md is generated from these tables.

export const events = {
  'account.created': 'An account was created.',
  'account.registered':
    'A person made an account for themselves; the details name the code or the invitation by which they were let in.',
  'accounts.imported':
    'Accounts were made from a file, of which this is one part; the details count them and say which lines it was.',
  'account.changed': 'An account was changed; the details name the fields.',
  'account.suspended': 'An account was suspended; its sessions, grants and tokens ended at once.',
  'account.reinstated': 'A suspended account may sign in again.',
  'account.deleted': 'An account was deleted; its sessions, grants and tokens ended at once.',

  'password.set':
    'A password was set for an account. In place of another one it ended sessions, grants and tokens, unless the details say that they were kept.',
  'password.recovery-asked':
    'Somebody asked for a link by which this account gets a new password; the reason says why none was sent.',
  'password.recovered':
    'A forgotten password was replaced by way of a link; sessions, grants, tokens and other links ended.',
  'password.reset-started':
    'An administrator had a link made by which the owner sets a new password; the details say how it travels, and whether the old one and what was open under it ended at once.',
  'account.email-changed':
    'The owner of an account proved a new mail address; the old one was told how to take it back.',
  'account.email-restored':
    'The mail address of before took back its change; the password, sessions, grants and tokens ended.',
  'account.phone-changed': 'The owner of an account proved a phone number.',
  'account.phone-removed': 'The owner of an account took away its phone number.',
  'account.deletion-requested':
    'The owner of an account asked for its deletion; it was signed out everywhere, and the details say when it will be gone.',
  'account.deletion-cancelled': 'An account that was to be deleted stays.',
  'account.exported': 'The owner of an account took a copy of everything that is kept about it.',
  'account.review-done':
    'The owner of an account said, after a recovery, that the second factors added shortly before it are theirs; the details name them.',
  'account.protected':
    'The owner of an account said that somebody else was in it: its other sessions, grants and tokens ended, its browsers are remembered no more, and its password has to be changed.',
  'password.rehashed':
    'A password was hashed again, at a higher cost or in place of a hash of another system, after it was presented correctly.',
  'password.change-required':
    'A password has to be changed at the next sign-in; the reason is admin, breached, rules, import or protected.',
  'password.disabled':
    'A password failed too often in a row; only a new one lets its owner sign in by password again.',
  'password.breach-check-failed':
    'A service or list of breached passwords did not answer; the password was accepted without it.',
  'sign-in.succeeded': 'A person proved who they are.',
  'sign-in.failed': 'A sign-in attempt was refused.',
  'lockout.started': 'Too many failed attempts: further ones are refused for a while.',
  'lockout.released': 'A lockout was released before its time.',
  'device.new': 'Somebody signed in with a browser that the account was never signed in with before.',
  'device.remembered': 'A browser was remembered: for a while it serves in place of a second step.',
  'device.forgotten':
    'A browser, or as many as the details count, is remembered no more; it is asked for a second step again.',

  'factor.added': 'A second factor was added to an account; the details name its kind.',
  'factor.renamed': 'A second factor got another name.',
  'factor.removed': 'A second factor was removed from an account; remembered devices ended with it.',
  'factor.disabled':
    'A second factor failed too often in a row and works no more; it is still asked for until its owner removes it.',
  'factor.counter-rolled-back':
    'The counter of a passkey went backwards, so that there may be a copy of it: it was refused and works no more.',
  'factors.reset':
    'An administrator removed all second factors and recovery codes of an account; sessions, tokens and remembered devices ended with them.',
  'recovery-codes.renewed': 'An account got a new set of recovery codes; the one before it works no more.',
  'recovery-code.used': 'A recovery code was used; the details say how many are left.',

  'api-key.created': 'An API key was made; it was shown once.',
  'api-key.changed': 'An API key was changed; the details name the fields.',
  'api-key.rotated': 'An API key got a new secret; the details say until when the ones before it work on.',
  'api-key.revoked': 'An API key was revoked; it works no more, and neither do the keys below it.',
  'api-key.disabled': 'An API key was disabled; it and the keys below it do not work until it is enabled.',
  'api-key.enabled': 'A disabled API key works again.',
  'api-key.compromised':
    'A key was said to be in the wrong hands; it ended with all below it, and the details count them.',
  'api-key.leak-reported':
    'A key was found in public by somebody who looks for keys; the details say where, and how many keys ended with it.',
  'api-key.expiring': 'An API key ends in 30, 7 or 1 days; the details say in how many.',
  'api-key.expired': 'An API key reached its end; it works no more, and neither do the keys below it.',
  'api-key-pepper.rotated':
    'API keys are hashed under a new pepper from now on; those that there are follow when they are used next.',

  'session.started': 'A browser session began.',
  'session.ended': 'A browser session was ended.',
  'sessions.ended':
    'Everything of an account, of a client, of both together or of everybody was ended; the details say which, from when on, and count what went.',
  'consent.granted': 'A person allowed a client what it asked for.',
  'consent.denied': 'A person refused a client what it asked for.',
  'grant.created': 'A grant of a person to a client was made.',
  'grant.revoked': 'A grant was revoked, with every token issued from it.',

  'token.issued': 'Tokens were issued.',
  'token.refreshed': 'A refresh token was exchanged for new tokens.',
  'token.revoked': 'A token was revoked.',
  'token.introspected': 'A resource server asked about a token.',
  'refresh-token.reused':
    'A refresh token was presented again after it was exchanged; its whole family was revoked.',
  'code.reused': 'An authorization code was presented again; everything issued from it was revoked.',
  'device.authorized': 'A person approved a device.',
  'device.denied': 'A person refused a device.',
  'logout.completed': 'A person signed out.',
  'backchannel-logout.delivered': 'A client was told that a session ended.',
  'backchannel-logout.failed':
    'A client could not be told that a session ended: written at the first failure, and when it was given up.',
  'backchannel-logout.retried': 'A client is told once more that a session ended.',

  'role.created': 'A role was made.',
  'role.changed': 'A role was changed; the details name the fields.',
  'role.deleted': 'A role was removed; the details count the assignments that ended with it.',
  'role.assigned': 'A role was assigned to an account, a team, a client or an API key.',
  'role.unassigned': 'A role was taken away.',

  'client.created': 'A client was registered.',
  'client.changed': 'A client was changed; the details name the fields.',
  'client.deleted': 'A client was deleted.',
  'client-secret.created': 'A client got a new secret.',
  'client-secret.retired': 'A client secret was retired, or given the date on which it ends.',
  'api.created': 'An API was registered.',
  'api.changed': 'An API was changed; the details name the fields.',
  'api.deleted': 'An API was deleted.',

  'organization.created': 'An organization was created.',
  'organization.changed': 'An organization was changed; the details name the fields.',
  'organization.suspended':
    'An organization was suspended; its keys, and the tokens that are bound to it, work no more.',
  'organization.reinstated': 'A suspended organization works again.',
  'organization.deleted':
    'An organization was deleted, with its memberships, teams, roles, assignments and keys.',
  'organization.member-added': 'An account became a member of an organization.',
  'organization.member-removed':
    'An account is no longer a member of an organization; its places in teams and its roles there went with it.',
  'team.created': 'A team was created.',
  'team.changed': 'A team was changed; the details name the fields.',
  'team.deleted': 'A team was deleted, with the roles that it had.',
  'team.member-added': 'A member of an organization joined a team.',
  'team.member-removed': 'A member of an organization left a team.',

  'invitation.created': 'Somebody was invited to an organization.',
  'invitation.resent': 'An invitation was sent once more, with a new link; the one before it works no more.',
  'invitation.revoked': 'An invitation was taken back.',
  'invitation.accepted': 'An invitation was accepted; its account is a member now.',
  'invitation.declined': 'An invitation was declined by whom it was sent to.',
  'registration-code.created': 'A registration code was made; it was shown once.',
  'registration-code.revoked': 'A registration code was revoked; nobody can register by it any more.',
  'terms.accepted': 'A person accepted the terms; the details name their version.',

  'budget.created': 'A budget was set.',
  'budget.changed': 'A budget was changed; the details have its limits.',
  'budget.deleted': 'A budget was deleted.',
  'budget.adjusted': 'What counts as used of a budget was corrected.',
  'budget.soft-limit-reached':
    'A budget went over its soft limit; told once in each window, and nothing was refused.',
  'budget.exceeded':
    'A budget is used up: something was refused, or what was settled went over the limit; told once in each window.',
  'budget.reserved': 'A service reserved amounts under budgets.',
  'budget.settled': 'A service settled a reservation with what was really used.',
  'budget.released': 'A service gave a reservation back.',
  'meter.created': 'A meter for budgets was registered.',
  'meter.deleted': 'A meter for budgets was removed.',

  'signing-key.created': 'A signing key was made and published as the next one.',
  'signing-key.promoted': 'A signing key became the one that signs.',
  'signing-key.retired': 'A signing key stopped signing; it stays published for verifiers.',
  'signing-key.removed':
    'A signing key was removed from the published set: at its time, or, as the reason says, withdrawn before it.',

  'message.failed':
    'A mail or text message was given up; the reason says why, and `message retry` sends it again.',
  'message.retried': 'A mail or text message is sent once more.',

  'audit.month-removed': 'The events of a month reached the end of their retention and were removed.',
  'job.requested': 'A scheduled job was run, or made due, before its time.',
  'job.failing': 'A scheduled job failed three times in a row; the log has the reason.',

  'backup.created': 'A backup of everything but the master key was made.',
  'backup.restored':
    'A backup took the place of what was here; sessions, grants and tokens ended, unless the details say that they were kept.',
  'data.moved': 'Everything was copied to this database, which is the one in use since.',
  'data.move-undone': 'The note that the data had moved was taken back; servers start on it again.',

  'master-key.created': 'A master key was made; it is not in use yet.',
  'master-key.activated': 'A master key was put to use: new values are under it, and the others follow.',
  'master-key.rewrapped': 'Sealed values were brought under the master key in use.',
  'master-key.retired': 'A master key that wraps nothing any more was set aside.',

  'setup.completed': 'The first administrator was made.',
  'credential.refused':
    'A gateway asked about a key or token of ours and was told no; the reason says why, and the details how often since the last such event.',
  'api-key.exposed': 'A key stood in the address of a request, which logs keep: it should be rotated.',
  'request.refused': 'A request of a known caller was refused; the reason says why.',
  'resource.registered': 'A resource was registered for decisions.',
  'resource.changed': 'A registered resource got other properties.',
  'resource.removed': 'A registered resource was removed.',
  'resources.imported': 'Resources were registered or changed in one go; the details count them.',
  'access.decided': 'Another service reported a decision on an access of its own.',
} as const satisfies Record<string, string>;

export type EventType = keyof typeof events;

/** Refusals of callers that proved nothing: counted by kind, reason, network and minute, never one row each. */
export const refusalKinds = {
  sign_in: 'Sign-in attempts.',
  client_authentication: 'Clients that could not authenticate.',
  token: 'Token requests.',
  authorization: 'Authorization requests.',
  userinfo: 'Userinfo requests without a good access token.',
  logout: 'Sign-out requests.',
  introspection: 'Introspection requests.',
  revocation: 'Revocation requests.',
  form: 'Forms that were forged, stale or sent from another site.',
  rate_limit: 'Requests over a rate limit.',
  api: 'Management API requests without a valid access token.',
  setup: 'Set-up links that are not valid.',
  device_code: 'Device requests, and user codes that do not exist.',
  verify: 'Keys and tokens that gateways asked about and that are not known here.',
  forward_auth:
    'Requests to /forward-auth that no trusted proxy sent, or without a key or token that is known here.',
  leak_report: 'Leak reports that are not signed by somebody who is known here.',
  par: 'Pushed authorization requests.',
} as const satisfies Record<string, string>;

export type RefusalKind = keyof typeof refusalKinds;
