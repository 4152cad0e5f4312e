// Adding a passkey: the browser makes it, and posts what it answers with the name that it is to have.
import { z } from 'zod';
import {
  accountPage,
  type Page,
  type PageInput,
  type PageResult,
  type Person,
} from '../../platform/http/page.ts';
import {
  afterAdding,
  byThemselves,
  SECURITY,
  type SecurityPageDeps,
  securityView,
  sentenceOf,
} from './frame.ts';

const PATH = `${SECURITY}/passkeys`;

const Form = z.object({
  response: z.string().min(1).max(65_536),
  name: z.string().max(240).default(''),
});

type Input = Pick<PageInput<unknown, unknown, unknown>, 'typed'> & { readonly person: Person };

export function passkeyPages(deps: SecurityPageDeps): Page[] {
  const { passkeys } = deps.credentials.factors;

  async function show(
    { person, typed }: Input,
    shown: { error?: string; name?: string; status?: number } = {},
  ): Promise<PageResult> {
    const options = await passkeys.optionsToRegister(person.accountId, person.sessionId);
    const model = {
      action: PATH,
      cancel: SECURITY,
      options,
      name: typed.name ?? '',
      error: shown.error ?? null,
      fieldErrors: { name: shown.name ?? null },
    };
    return securityView('passkey', 'security.passkey.title', model, { status: shown.status ?? 200 });
  }

  return [
    accountPage({
      method: 'GET',
      path: PATH,
      limit: 'page',
      sensitive: true,
      run: (input) => show(input),
    }),
    accountPage({
      method: 'POST',
      path: PATH,
      limit: 'sign-in',
      sensitive: true,
      form: Form,
      async run(input) {
        const { person, form, t } = input;
        const refused = t('error.passkey_invalid');
        const response = form && parsed(form.response);
        if (response === undefined) return show(input, { error: refused, status: 400 });
        try {
          const made = { response, name: form?.name ?? '', t };
          const by = byThemselves(person);
          const added = await passkeys.register(person.accountId, made, person.sessionId, by);
          return await afterAdding(deps, input, added);
        } catch (error) {
          const { code, text, status } = sentenceOf(error, t);
          if (code === 'request_invalid') return show(input, { name: t('security.name.error'), status });
          return show(input, { error: text, status });
        }
      },
    }),
  ];
}

/** What is no JSON is no answer. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}
