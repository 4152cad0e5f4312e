// How answers travel back: query, fragment and form post, each as the metadata says.
import { describe, expect, it } from 'vitest';
import { createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, password } from '../support/people.ts';
import { relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const callback = 'https://app.example.com/callback';

async function answered(response_mode: string) {
  const person = await createPerson(gatehouse.services);
  const app = await relyingParty(gatehouse, { firstParty: true });
  const browser = createBrowser(gatehouse.issuer);
  const begun = await app.begin({ response_mode });
  const login = await browser.open(begun.url);
  const shown: Shown = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
  return { app, person, begun, shown };
}

describe('response modes', () => {
  it('query puts the code into the query', async () => {
    const { shown } = await answered('query');

    expect(new URL(shown.url).searchParams.get('code')).toEqual(expect.any(String));
  });

  it('fragment keeps the code away from servers', async () => {
    const { shown } = await answered('fragment');

    expect(new URL(shown.url).hash).toContain('code=');
    expect(new URL(shown.url).search).toBe('');
  });

  it('form_post sends the code by a form, with or without JavaScript', async () => {
    const { shown, app, begun, person } = await answered('form_post');
    const [form] = shown.forms;

    expect(form).toMatchObject({ action: callback, fields: { state: begun.state, iss: gatehouse.issuer } });
    expect(shown.html).toContain('type="submit"');
    const landed = `${callback}?${new URLSearchParams(form?.fields)}`;
    expect((await app.finish(landed, begun)).claims()?.sub).toBe(person.id);
  });

  it('form_post may be sent where it goes, and cannot be framed', async () => {
    const { shown } = await answered('form_post');
    const policy = shown.headers.get('content-security-policy') ?? '';
    const formAction = /form-action ([^;]*)/.exec(policy)?.[1];

    expect(policy).toContain("frame-ancestors 'none'");
    expect(formAction === undefined || formAction.includes('https://app.example.com')).toBe(true);
    expect(shown.headers.get('cache-control')).toContain('no-store');
  });

  it('an unknown mode is refused', async () => {
    const app = await relyingParty(gatehouse);
    const shown = await createBrowser(gatehouse.issuer).open((await app.begin({ response_mode: 'jwt' })).url);

    expect(new URL(shown.url).searchParams.get('error')).toBe('unsupported_response_mode');
  });
});
