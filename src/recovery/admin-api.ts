// /api/v1/accounts/…/password/reset: a link by which a person chooses a new password, begun by an administrator.
import { z } from 'zod';
import { type Accounts, refuseAdminAccount } from '../accounts/accounts.ts';
import { instant } from '../lib/instant.ts';
import { IdParams } from '../platform/api/pages.ts';
import { type Caller, type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import type { Recovery } from './recovery.ts';
import { deliveries } from './schema.ts';

const ResetInput = z
  .strictObject({
    delivery: z
      .enum(deliveries)
      .default('mail')
      .describe('link: only for accounts without a mail address; whoever asks hands it over.'),
    endNow: z
      .boolean()
      .default(false)
      .describe(
        'The password so far, sessions, grants and tokens end at once, not only when the link is used.',
      ),
  })
  .optional();

const ResetView = z
  .object({
    delivery: z.enum(deliveries),
    link: z.string().nullable().describe('Shown this once. Null when it is in a mail.'),
    expiresAt: instant,
  })
  .meta({ id: 'PasswordReset' });

export interface RecoveryRouteDeps {
  accounts: Accounts;
  recovery: Recovery;
  /** Roles live on a higher floor: throws when those of the account let it do what the caller may not. */
  access: { refuseStronger(subject: { kind: 'account'; id: string }, caller: Caller): Promise<void> };
}

export function recoveryRoutes({ accounts, recovery, access }: RecoveryRouteDeps): Route[] {
  return [
    route({
      operation: 'resetPassword',
      method: 'POST',
      path: '/accounts/:id/password/reset',
      permission: 'accounts:update',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Let a person choose a new password by a link. Nobody else sees or chooses it.',
      params: IdParams,
      body: ResetInput,
      reply: { 200: ResetView },
      errors: [
        'account_not_found',
        'account_suspended',
        'email_missing',
        'email_present',
        'channel_unavailable',
      ],
      async run({ params, body, caller }) {
        const account = await accounts.find(params.id);
        if (account === undefined) throw failure('account_not_found');
        // The link of an administrator's account, handed over by whoever asked for it, would make them one.
        refuseAdminAccount(account, caller.permissions);
        await access.refuseStronger({ kind: 'account', id: account.id }, caller);
        const { delivery = 'mail', endNow = false } = body ?? {};
        return recovery.forgotten.start(account, { delivery, endNow }, caller);
      },
    }),
  ];
}
