// What a person is shown of the ledger of their account: a table of events, with the picture of each. Its sentences are
// `activity.<event>`; what is not in it is of use to operators only.
import type { EventType } from '../audit/audit.ts';

export const activityEvents = {
  'session.started': 'device',
  'session.ended': 'device',
  'sessions.ended': 'device',
  'sign-in.failed': 'warning',
  'lockout.started': 'lock',
  'device.remembered': 'device',
  'device.forgotten': 'device',
  'password.set': 'lock',
  'password.recovery-asked': 'mail',
  'password.recovered': 'lock',
  'password.reset-started': 'lock',
  'password.change-required': 'lock',
  'password.disabled': 'warning',
  'factor.added': 'shield',
  'factor.renamed': 'shield',
  'factor.removed': 'shield',
  'factor.disabled': 'warning',
  'factor.counter-rolled-back': 'warning',
  'factors.reset': 'shield',
  'recovery-codes.renewed': 'key',
  'recovery-code.used': 'key',
  'account.email-changed': 'mail',
  'account.email-restored': 'mail',
  'account.phone-changed': 'phone',
  'account.phone-removed': 'phone',
  'account.changed': 'person',
  'account.protected': 'shield',
  'account.review-done': 'tick',
  'account.exported': 'download',
  'account.deletion-requested': 'trash',
  'account.deletion-cancelled': 'tick',
  'account.registered': 'person',
  'api-key.created': 'key',
  'api-key.rotated': 'key',
  'api-key.revoked': 'key',
  'consent.granted': 'apps',
  'grant.revoked': 'apps',
  'device.authorized': 'apps',
  'refresh-token.reused': 'warning',
  'terms.accepted': 'tick',
  'organization.member-added': 'people',
  'organization.member-removed': 'people',
} as const satisfies Partial<Record<EventType, string>>;

export type ActivityEvent = keyof typeof activityEvents;

export const activityTypes = Object.keys(activityEvents) as ActivityEvent[];

/** What somebody else could have done with a stolen password or session: beside these stands the way to shut them out. */
export const suspicious: readonly string[] = [
  'session.started',
  'password.set',
  'password.recovered',
  'factor.added',
  'factor.removed',
  'recovery-codes.renewed',
  'recovery-code.used',
  'account.email-changed',
  'account.phone-changed',
  'account.exported',
  'api-key.created',
  'consent.granted',
  'device.authorized',
];
