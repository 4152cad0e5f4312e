// Which events a person is told of, and by which mail: a pure table. Nobody can switch these off.
import type { AuditEvent, EventType } from '../audit/audit.ts';
import type { MailTemplate } from '../messages/messages.ts';

export interface Notice {
  readonly template: MailTemplate;
  /** What that mail says beside when and where. */
  readonly values?: Readonly<Record<string, unknown>>;
  /** What was told already is not told again: else each event is told once. */
  readonly once?: string;
}

/** What is known of the account besides: a first password is no news to whoever has just made the account. */
export interface Told {
  readonly isNew: boolean;
}

type Rule = (event: AuditEvent, told: Told) => Notice | undefined;

const always =
  (template: MailTemplate): Rule =>
  () => ({ template });

/** Those that have a name in mail.notice.kind: details are whatever a release wrote. */
const KINDS: readonly unknown[] = ['totp', 'passkey', 'sms', 'mail'];

const ofKind =
  (template: MailTemplate): Rule =>
  ({ details: { kind } }) => ({ template, values: KINDS.includes(kind) ? { kind } : {} });

const day = ({ occurredAt }: AuditEvent) => occurredAt.toISOString().slice(0, 10);

export const noticesByEvent = {
  'device.new': always('new-device'),
  'factor.added': ofKind('factor-added'),
  'factor.removed': ofKind('factor-removed'),
  'factor.disabled': ofKind('factor-disabled'),
  'factors.reset': always('factors-reset'),
  'factor.counter-rolled-back': always('passkey-copied'),
  'recovery-codes.renewed': always('recovery-codes-renewed'),
  'recovery-code.used': ({ details }) => ({
    template: 'recovery-code-used',
    values: { left: typeof details.left === 'number' ? details.left : 0 },
  }),
  'password.set'({ details }, { isNew }) {
    // By way of a mail is told as a recovery.
    if (details.byMail === true || (isNew && details.sessions === undefined)) return undefined;
    return { template: 'password-changed' };
  },
  'password.recovered': always('password-recovered'),
  'password.disabled': always('password-disabled'),
  'account.email-changed': always('address-changed'),
  // Where it was not restored, the address of now is not that of whoever tried.
  'account.email-restored': ({ outcome }) =>
    outcome === 'success' ? { template: 'address-restored' } : undefined,
  'account.deletion-cancelled': always('account-kept'),
  'account.exported': always('account-exported'),
  'account.protected': always('account-protected'),
  'account.phone-changed': always('phone-changed'),
  'account.phone-removed': always('phone-removed'),
  'api-key.created'({ details }) {
    // What a key makes below itself, it makes by the hundred.
    if (details.parentId) return undefined;
    return { template: 'api-key-created', values: { name: String(details.name ?? '').slice(0, 100) } };
  },
  // Whoever tries it again all day sends one mail and not a hundred.
  'lockout.started': (event) => ({ template: 'many-failures', once: `${event.accountId}:${day(event)}` }),
  'sessions.ended'({ actor, accountId, details }) {
    // The first of several: those that follow count what went.
    return actor.id === accountId || details.before === undefined
      ? undefined
      : { template: 'sessions-ended' };
  },
} as const satisfies Partial<Record<EventType, Rule>>;

export const noticedTypes = Object.keys(noticesByEvent) as (keyof typeof noticesByEvent)[];

export function noticeOf(event: AuditEvent, told: Told): Notice | undefined {
  const type = noticedTypes.find((one) => one === event.type);
  return type && noticesByEvent[type](event, told);
}
