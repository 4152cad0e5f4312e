// /account/security/review: what was added to the account shortly before its owner had to recover it.
import { z } from 'zod';
import type { Credentials } from '../credentials/credentials.ts';
import type { Dates } from '../lib/dates.ts';
import { proofsIn } from '../lib/strength.ts';
import {
  type AccountArea,
  accountPage,
  type Page,
  type PageInput,
  type Person,
} from '../platform/http/page.ts';
import type { Review, ToReview } from './review.ts';

export interface ReviewPageDeps {
  readonly recovery: { readonly review: Pick<Review, 'find' | 'confirm'> };
  readonly credentials: Pick<Credentials, 'hasPassword'>;
  readonly area: Pick<AccountArea, 'signInAt'>;
}

const SECURITY = '/account/security';
export const REVIEW_PATH = `${SECURITY}/review`;

/** What was shown: something that came meanwhile is not agreed to. */
const Form = z.object({ shown: z.string().max(10_000) });

type Input = Pick<PageInput<unknown, unknown, unknown>, 't'> & { readonly dates: Dates };

export function reviewPages({ recovery: { review }, credentials, area }: ReviewPageDeps): Page[] {
  /** A passkey that somebody left there signs in alone, and would be said to be the owner's by itself. */
  async function mayConfirm({ accountId, amr }: Person): Promise<boolean> {
    const byPassword = proofsIn(amr, 0).some(({ method }) => method === 'password');
    return byPassword || !(await credentials.hasPassword(accountId));
  }

  return [
    accountPage({
      method: 'GET',
      path: REVIEW_PATH,
      limit: 'page',
      sensitive: true,
      async run(input) {
        const found = await review.find(input.person.accountId);
        if (found === undefined) return { kind: 'redirect', to: SECURITY };
        return {
          kind: 'view',
          view: 'self-service/review',
          title: 'account.review.title',
          nav: 'security',
          model: {
            action: REVIEW_PATH,
            rows: rowsOf(found, input),
            shown: found.factors.map(({ id }) => id).join(' '),
            signInHref: (await mayConfirm(input.person)) ? null : area.signInAt(REVIEW_PATH, { again: true }),
          },
        };
      },
    }),
    accountPage({
      method: 'POST',
      path: REVIEW_PATH,
      limit: 'page',
      sensitive: true,
      form: Form,
      async run({ person, form }) {
        const shown = form?.shown.split(' ') ?? [];
        const done = (await mayConfirm(person)) && (await review.confirm(person.accountId, shown));
        return { kind: 'redirect', to: done ? `${SECURITY}?done=reviewed` : REVIEW_PATH };
      },
    }),
  ];
}

function rowsOf({ factors, recoveryCodes }: ToReview, { t, dates: { day } }: Input) {
  const shown = factors.map(({ id, kind, name, createdAt, lastUsedAt, details }) => ({
    icon: kind === 'passkey' ? 'key' : kind === 'mail' ? 'mail' : 'phone',
    title: name,
    lines: [
      ...[t(`security.kind.${kind}`)].filter((named) => named !== name),
      // In full: by their own number people tell it from that of somebody else.
      ...(typeof details.to === 'string' ? [details.to] : []),
      `${t('security.factor.added', { date: day(createdAt) })} · ${
        lastUsedAt === null
          ? t('security.factor.neverUsed')
          : t('security.factor.used', { date: day(lastUsedAt) })
      }`,
    ],
    actions: [{ label: t('security.factor.remove'), hidden: name, href: `${SECURITY}/factors/${id}/remove` }],
  }));
  const codes = {
    icon: 'key',
    title: t('security.codes.heading'),
    lines: [t('account.review.codes')],
    actions: [{ label: t('security.codes.renew'), href: `${SECURITY}/recovery-codes` }],
  };
  return recoveryCodes ? [...shown, codes] : shown;
}
