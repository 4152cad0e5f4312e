// People, clients and APIs for tests, made through the server's own faces.
import type { Account } from '../../src/accounts/accounts.ts';
import type { Actor } from '../../src/audit/audit.ts';
import type { Client, NewClient } from '../../src/clients/clients.ts';
import type { Services } from '../../src/services.ts';
import { type Browser, createBrowser, type Shown } from './browser.ts';
import { addAuthenticator, codeOf } from './factors.ts';

export const operator: Actor = { kind: 'operator', id: 'test' };
export const password = 'wide meadow under seven lanterns';
let count = 0;

/** Administrators have an authenticator app, which signInAt answers with. */
export async function createPerson(
  services: Services,
  more: { admin?: boolean; email?: string } = {},
): Promise<Account> {
  count += 1;
  const email = more.email ?? `person${count}@example.com`;
  const account = await services.accounts.create(
    { email, name: `Person ${count}`, admin: more.admin ?? false },
    operator,
  );
  await services.credentials.setPassword(account.id, password, operator);
  if (account.admin) await addAuthenticator(services, account);
  return account;
}

export async function createClient(
  services: Services,
  input: Partial<NewClient> = {},
): Promise<{ client: Client; secret: string }> {
  count += 1;
  const { client, secret } = await services.clients.register(
    {
      name: `Client ${count}`,
      kind: 'web',
      redirectUris: input.kind === 'machine' ? [] : ['https://app.example.com/callback'],
      ...input,
    } as NewClient,
    operator,
  );
  return { client, secret: secret ?? '' };
}

export async function createApi(
  services: Services,
  more: { audience?: string; tokenFormat?: 'jwt' | 'opaque' } = {},
) {
  count += 1;
  return services.apis.create(
    {
      audience: more.audience ?? `https://api${count}.example.com`,
      name: `API ${count}`,
      permissions: [
        { name: 'notes:read', sentence: 'Read your notes.', everyone: true },
        { name: 'notes:write', sentence: 'Write your notes.', everyone: true },
      ],
      tokenFormat: more.tokenFormat ?? 'jwt',
    },
    operator,
  );
}

/** Opens the authorization request, signs in, allows what is asked; ends at the client's redirect address. */
export async function signInAt(
  url: string,
  person: { email: string | null },
  browser: Browser = createBrowser(new URL(url).origin),
): Promise<{ browser: Browser; landed: Shown }> {
  let page = await browser.open(url);
  for (let step = 0; step < 6 && page.forms.length > 0; step += 1) {
    if (page.forms.some((form) => form.action.endsWith('/login'))) {
      page = await browser.submit(page, { identifier: person.email ?? '', password }, '/login');
    } else if (page.forms.some((form) => form.action.endsWith('/second-factor'))) {
      page = await browser.submit(page, { code: await codeOf(person) }, '/second-factor');
    } else if (page.forms.some((form) => form.action.endsWith('/consent'))) {
      page = await browser.submit(page, {}, '/consent');
    } else break;
  }
  return { browser, landed: page };
}
