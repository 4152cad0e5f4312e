// gatehouse user factors, gatehouse user reset-factors: what somebody signs in with beside the password, and its end.
import { type Accounts, accountNamed } from '../accounts/accounts.ts';
import { type Command, UsageMistake } from '../platform/command.ts';
import type { Credentials } from './credentials.ts';
import { factorView } from './factor-view.ts';

interface Services {
  accounts: Accounts;
  credentials: Credentials;
}

const who = { name: 'account', summary: 'Account id, mail address or user name.' };

export const factorCommands: Command<Services>[] = [
  {
    name: 'user factors',
    summary: 'List the second factors of an account, without their secrets.',
    arguments: [who],
    async run({ services, args }) {
      const { id } = await accountNamed(services.accounts, args.text('account'));
      const { factors } = services.credentials;
      const items = (await factors.list(id)).map(factorView);
      const recoveryCodesLeft = await factors.recoveryCodes.left(id);
      return {
        json: { items, recoveryCodesLeft },
        text: {
          columns: ['id', 'kind', 'name', 'to', 'added', 'last used', 'disabled'],
          rows: items.map((one) => [
            one.id,
            one.kind,
            one.name,
            one.to,
            one.createdAt.toISOString(),
            one.lastUsedAt?.toISOString(),
            one.disabledAt?.toISOString(),
          ]),
          empty: 'No second factors.',
        },
      };
    },
  },
  {
    name: 'user reset-factors',
    summary: 'Remove all second factors and recovery codes of somebody who lost them, and sign them out.',
    arguments: [who],
    options: [{ name: 'reason', value: 'text', summary: 'How you know who asks, for the ledger; required.' }],
    async run({ services, args, options, by }) {
      const reason = options.text('reason')?.trim();
      if (!reason) throw new UsageMistake('Give --reason: how you know who asks.');
      const { id } = await accountNamed(services.accounts, args.text('account'));
      await services.credentials.factors.resetAll(id, reason, by);
      return { json: { id }, text: `${id} has no second factors any more, and was signed out everywhere.` };
    },
  },
];
