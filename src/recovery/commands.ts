// gatehouse user reset-password: a link by which a person chooses a new password.
import { type Accounts, accountNamed } from '../accounts/accounts.ts';
import type { Command } from '../platform/command.ts';
import type { Recovery } from './recovery.ts';

interface Services {
  accounts: Accounts;
  recovery: Recovery;
}

export const commands: Command<Services>[] = [
  {
    name: 'user reset-password',
    summary: 'Send a person a link by which they choose a new password; nobody else sees or chooses it.',
    arguments: [{ name: 'account', summary: 'Account id, mail address or user name.' }],
    options: [
      { name: 'link', summary: 'Print the link instead: for accounts without a mail address.' },
      { name: 'end-now', summary: 'End the password so far, and all that is signed in, at once.' },
    ],
    async run({ services, args, options, by }) {
      const account = await accountNamed(services.accounts, args.text('account'));
      const delivery = options.flag('link') ? 'link' : 'mail';
      const endNow = options.flag('end-now');
      const { link, expiresAt } = await services.recovery.forgotten.start(account, { delivery, endNow }, by);
      const until = expiresAt.toISOString();
      return {
        json: { id: account.id, delivery, link, expiresAt: until },
        text: link ?? `A link is on its way to ${account.email ?? account.id}; it works until ${until}.`,
      };
    },
  },
];
