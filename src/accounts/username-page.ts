// The page on which somebody chooses the name to sign in with: sensitive, unlike the rest of the profile.
import { z } from 'zod';
import { AppError } from '../platform/errors.ts';
import {
  accountPage,
  type Page,
  type PageInput,
  type PageResult,
  type Person,
} from '../platform/http/page.ts';
import type { Accounts } from './accounts.ts';

const PATH = '/account/username';
const Form = z.object({ username: z.string().max(1000) });

type Input = Pick<PageInput<unknown, unknown, unknown>, 't' | 'typed'> & { readonly person: Person };

export function usernamePages({ accounts }: { accounts: Pick<Accounts, 'find' | 'change'> }): Page[] {
  async function show({ person, t, typed }: Input, error?: string): Promise<PageResult> {
    const account = await accounts.find(person.accountId);
    return {
      kind: 'view',
      view: 'self-service/username',
      title: t('account.username.title'),
      nav: 'profile',
      status: error === undefined ? 200 : 400,
      model: {
        username: typed.username ?? account?.username ?? '',
        fieldErrors: { username: error === undefined ? null : t(error) },
      },
    };
  }

  return [
    accountPage({ method: 'GET', path: PATH, limit: 'page', sensitive: true, run: (input) => show(input) }),
    accountPage({
      method: 'POST',
      path: PATH,
      limit: 'sign-in',
      sensitive: true,
      form: Form,
      async run(input) {
        const { accountId } = input.person;
        const username = input.form?.username.trim() || null;
        try {
          await accounts.change(accountId, { username }, { kind: 'account', id: accountId });
        } catch (error) {
          const message = error instanceof AppError ? messageOf(error) : undefined;
          if (message === undefined) throw error;
          return show(input, message);
        }
        return { kind: 'redirect', to: '/account/profile?done=saved' };
      },
    }),
  ];
}

function messageOf({ code, details }: AppError): string | undefined {
  if (code === 'identifier_taken') return 'register.error.usernameTaken';
  if (code !== 'identifier_invalid') return undefined;
  return details.fields?.email === undefined
    ? 'field.error.username'
    : 'account.profile.error.lastIdentifier';
}
