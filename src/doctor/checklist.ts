// The fifteen points of a security checklist, each answered by the examinations that show it.
import type { Status, Verdict } from './examination.ts';

interface Point {
  readonly title: string;
  /** Ids of examinations; the worst of their verdicts answers the point. */
  readonly by: readonly string[];
  /** Said when nothing can show it. */
  readonly unmeasured?: string;
}

export const checklist: readonly Point[] = [
  { title: 'Signing keys configured', by: ['signing-keys', 'master-key'] },
  { title: 'Token expiration set', by: ['setting-token-life'] },
  { title: 'HTTPS in production', by: ['tls-version', 'tls-certificate'] },
  {
    title: 'Rate limiting',
    by: ['rate-limit', 'setting-limits', 'setting-lockout', 'proxy-trusted', 'proxy-truthful'],
  },
  { title: 'Audit logging', by: ['audit-ledger'] },
  { title: 'Session management', by: ['cookies', 'setting-session-life'] },
  {
    title: 'Provider health monitoring',
    by: [],
    unmeasured: 'This release calls no identity provider whose health it could watch.',
  },
  { title: 'Roles defined', by: ['administrators'] },
  { title: 'Permissions validated', by: ['permissions'] },
  { title: 'Security headers', by: ['security-headers'] },
  { title: 'Input validation', by: ['input-validation'] },
  { title: 'SQL injection prevention', by: ['sql-injection'] },
  { title: 'XSS prevention', by: ['xss'] },
  { title: 'CSRF protection', by: ['csrf'] },
  {
    title: 'Regular security audits',
    by: [],
    unmeasured: 'Whether people look at the ledger and at these verdicts cannot be seen from here.',
  },
];

export interface Answer {
  readonly point: number;
  readonly title: string;
  readonly status: Status;
  readonly because: string;
}

const order: readonly Status[] = ['ok', 'not_measured', 'warning', 'failed'];

export function answerChecklist(verdicts: readonly Verdict[]): Answer[] {
  return checklist.map(({ title, by, unmeasured }, index) => {
    const found = verdicts.filter(({ id }) => by.includes(id));
    const worst = found.toSorted((a, b) => order.indexOf(b.status) - order.indexOf(a.status))[0];
    return {
      point: index + 1,
      title,
      status: worst?.status ?? 'not_measured',
      because: worst?.finding ?? unmeasured ?? '',
    };
  });
}
