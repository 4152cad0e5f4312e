// gatehouse user keep: an account that was to be deleted stays.
import { type Accounts, accountNamed } from '../accounts/accounts.ts';
import type { Command } from '../platform/command.ts';
import type { Deletion } from './deletion.ts';

export const commands: Command<{ accounts: Accounts; deletion: Deletion }>[] = [
  {
    name: 'user keep',
    summary: 'Keep an account whose owner asked for its deletion.',
    arguments: [{ name: 'account', summary: 'Account id, mail address or user name.' }],
    async run({ services, args, by }) {
      const account = await accountNamed(services.accounts, args.text('account'));
      if (account.deleteAt === null) {
        return { json: { id: account.id, kept: false }, text: 'It was not to be deleted.' };
      }
      await services.deletion.keep(account.id, by);
      return { json: { id: account.id, kept: true }, text: 'The account stays.' };
    },
  },
];
