// Sign in by a code in a mail is offered only where the setting says so.
import { expect, it } from 'vitest';
import { browserOf } from '../recovery/world.ts';
import { useGatehouse } from '../support/gatehouse.ts';

const server = useGatehouse();

it('is neither offered nor there without the setting', async () => {
  const browser = browserOf(server);
  const login = await browser.open(`${server.issuer}/account`);
  expect(login.html).not.toContain('/mail-code');
  expect((await browser.open(`${login.url}/mail-code`)).status).toBe(404);
});
