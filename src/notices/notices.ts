// Tells people by mail what happened to their account: from the ledger, so that no feature can forget it.
import type { Account, Accounts } from '../accounts/accounts.ts';
import type { Audit, AuditEvent } from '../audit/audit.ts';
import type { AccountId } from '../lib/ids.ts';
import { browserOf } from '../lib/people/user-agent.ts';
import type { Messages } from '../messages/messages.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db } from '../platform/database/postgres.ts';
import { noticedTypes, noticeOf } from './events.ts';

export { noticesByEvent } from './events.ts';

export interface NoticesDeps {
  db: Db;
  audit: Pick<Audit, 'listen'>;
  accounts: Pick<Accounts, 'find'>;
  messages: Pick<Messages, 'send' | 'canSend'>;
  clock: Clock;
  issuer: string;
}

const HOUR_MILLISECONDS = 3_600_000;
/** After a longer silence of the server a notice would only frighten. */
const STALE_MILLISECONDS = 48 * HOUR_MILLISECONDS;

/** Where people see what happened, and say that it was not them. */
const ACTIVITY_PATH = '/account/activity';

export function createNotices(deps: NoticesDeps): void {
  deps.audit.listen({
    name: 'security-notices',
    types: noticedTypes,
    async run(events) {
      if (!deps.messages.canSend('mail')) return;
      for (const event of events) await tell(deps, event);
    },
  });
}

async function tell(deps: NoticesDeps, event: AuditEvent): Promise<void> {
  const { accountId, occurredAt } = event;
  if (accountId === null) return;
  if (deps.clock.now().getTime() - occurredAt.getTime() > STALE_MILLISECONDS) return;
  const account = await deps.accounts.find(accountId);
  if (account === undefined || account.email === null || !account.emailVerified) return;
  const notice = noticeOf(event, { isNew: isNew(account, event) });
  if (notice === undefined) return;
  await deps.messages.send(deps.db, {
    channel: 'mail',
    template: notice.template,
    to: account.email,
    accountId: account.id,
    locale: null,
    values: {
      ...notice.values,
      ...whenAndWhere(event, account.id),
      zone: account.zoneinfo,
      link: `${deps.issuer}${ACTIVITY_PATH}`,
    },
    // The ledger may tell of an event twice.
    deduplication: `notice:${notice.template}:${notice.once ?? event.id}`,
  });
}

function isNew({ createdAt }: Account, { occurredAt }: AuditEvent): boolean {
  return occurredAt.getTime() - createdAt.getTime() < HOUR_MILLISECONDS;
}

/** Where an administrator sits is nobody's business; that it was one is. */
function whenAndWhere({ occurredAt, actor, address, userAgent }: AuditEvent, accountId: AccountId) {
  const byOther =
    actor.kind === 'operator' ||
    actor.kind === 'client' ||
    (actor.kind === 'account' && actor.id !== accountId);
  return {
    at: occurredAt.toISOString(),
    ...(byOther ? { byAdmin: true } : { address, ...browserOf(userAgent) }),
  };
}
