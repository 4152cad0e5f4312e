// An operator makes the pages their own: name, colour and logo by settings, any view and any sentence by a folder.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { useGatehouse } from '../support/gatehouse.ts';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-views-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
for (const [path, text] of Object.entries({
  'home.ejs': `<h1>Our own front page</h1><p><%= t('home.lead') %></p>`,
  'partials/brand.ejs': '<header>Our own <%= branding.productName %></header>',
})) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

const settings = {
  PRODUCT_NAME: 'Harbour & Co',
  ACCENT_COLOR: '#7a1fa2',
  LOGO_URL: 'https://cdn.example/logo.svg',
};

async function textOf(address: string): Promise<string> {
  return (await fetch(address, { headers: { accept: 'text/html' } })).text();
}

describe('settings', () => {
  const gatehouse = useGatehouse({ settings });

  it('put name, colour and logo on every page', async () => {
    for (const path of ['/', '/device', '/no-such-page']) {
      const html = await textOf(`${gatehouse.issuer}${path}`);
      expect(html, path).toContain('<span>Harbour &amp; Co</span>');
      expect(html, path).toContain('--button:#7a1fa2');
      expect(html, path).toContain('<img src="https://cdn.example/logo.svg"');
    }
  });

  it('let the page load the logo from where it is', async () => {
    const { headers } = await fetch(gatehouse.issuer);
    expect(headers.get('content-security-policy')).toMatch(/img-src [^;]*https:/);
  });
});

describe('a folder of views', () => {
  const gatehouse = useGatehouse({ settings: { ...settings, VIEWS_DIRECTORY: folder } });

  it('replaces the page of the same name', async () => {
    const html = await textOf(gatehouse.issuer);
    expect(html).toContain('Our own front page');
    expect(html).toContain('This is where you sign in to your apps.');
  });

  it('replaces a part inside the pages that are shipped', async () => {
    const html = await textOf(`${gatehouse.issuer}/device`);
    expect(html).toContain('<header>Our own Harbour &amp; Co</header>');
    expect(html).toContain('name="user_code"');
  });
});
