// gatehouse init: the first administrator, from the terminal of the server.
import type { Accounts } from '../accounts/accounts.ts';
import { type Command, passwordStdin, readNewPassword, UsageMistake } from '../platform/command.ts';
import { failure } from '../platform/errors.ts';
import type { Setup } from './setup.ts';

interface Services {
  accounts: Pick<Accounts, 'hasAny'>;
  setup: Pick<Setup, 'createFirst'>;
}

export const commands: Command<Services>[] = [
  {
    name: 'init',
    summary: 'Create the first administrator. Refused when there is an account already.',
    options: [
      {
        name: 'email',
        value: 'address',
        summary: 'Mail address of the administrator; asked for when absent.',
      },
      { name: 'username', value: 'name', summary: 'User name of the administrator.' },
      { name: 'name', value: 'name', summary: 'Full name of the administrator.' },
      passwordStdin,
    ],
    async run({ services, options, io, by }) {
      // Asked again where it counts; here it spares a person from typing a password in vain.
      if (await services.accounts.hasAny()) throw failure('already_set_up');
      const username = options.text('username') ?? null;
      const name = options.text('name') ?? null;
      const email = options.text('email') ?? (username === null ? await io.ask('Mail address: ') : null);
      if (email?.trim() === '') throw new UsageMistake('The mail address is empty.');
      const password = await readNewPassword({ options, io });
      const account = await services.setup.createFirst({ email, username, name, password }, by);
      return {
        json: { id: account.id, email: account.email, username: account.username },
        text: `${account.email ?? account.username} (${account.id}) is the administrator.`,
      };
    },
  },
];
