// On the machine of a developer messages are files and pages, there and nowhere else.
import { readdir, readFile, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chooseSenders } from '../../src/messages/messages.ts';
import { outboxPages } from '../../src/messages/pages.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { loadConfig } from '../../src/platform/config/load.ts';
import { siteOf } from '../../src/platform/http/site.ts';
import { designPages } from '../../src/self-service/design.ts';
import { testConfig, useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';

const gatehouse = useGatehouse();
const mailbox = useMailbox(gatehouse);
const link = 'https://id.example.com/verify-address?token=abc';
const folder = () => join(gatehouse.services.config.database.dataDirectory, 'outbox');

const send = (to: string, channel: 'mail' | 'sms' = 'mail') =>
  gatehouse.services.messages.send(gatehouse.services.postgres.db, {
    channel,
    template: channel === 'mail' ? 'verify-address' : 'factor-code',
    to,
    accountId: null,
    locale: 'de',
    values: { code: '48203917', link, minutes: 30 },
  });

/** As a browser asks that believes this machine to have another name. */
function askAs(host: string, path: string): Promise<number> {
  const { port } = new URL(gatehouse.issuer);
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, path, headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asking.on('error', reject);
    asking.end();
  });
}

describe('the outbox of a developer', () => {
  it('has each mail as a file that can be read by eye, and by nobody else on the machine', async () => {
    await send('ada@example.com');
    const mail = await mailbox.next('ada@example.com');
    expect(mail).toMatchObject({ code: '48203917', link, subject: 'Bestätigen Sie Ihre E-Mail-Adresse' });
    const name = (await readdir(folder())).find((file) => file.endsWith('.eml')) ?? '';
    const text = await readFile(join(folder(), name), 'utf8');
    expect(text).toContain('Subject: Bestätigen Sie Ihre E-Mail-Adresse');
    expect(text).toContain(link);
    expect((await stat(join(folder(), name))).mode & 0o077).toBe(0);
    expect((await stat(folder())).mode & 0o077).toBe(0);
  });

  it('has text messages, too', async () => {
    await send('+431234567', 'sms');
    const message = await mailbox.next('+431234567');
    expect(message).toMatchObject({ code: '48203917', subject: '', html: '' });
  });

  it('is shown as pages, with the mail itself under a policy that lets nothing run', async () => {
    const list = await (await fetch(`${gatehouse.issuer}/dev/outbox`)).text();
    const [, path = ''] = /href="([^"]*\/dev\/outbox\/msg_[^"]+)"[^>]*>[^<]*Adresse/.exec(list) ?? [];
    const page = await (await fetch(new URL(path, gatehouse.issuer))).text();
    expect(page).toContain('48203917');
    const html = await fetch(new URL(`${path}/html`, gatehouse.issuer));
    const policy = html.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/default-src 'none'.*sandbox/);
    expect(policy).not.toMatch(/script-src|allow-scripts|allow-same-origin/);
    expect(await html.text()).toMatch(/^<!DOCTYPE html>\s*<html lang="de"/);
  });

  it('is shown to nobody who came by another name, nor for an id that is none', async () => {
    const { host } = new URL(gatehouse.issuer);
    expect(await askAs(host, '/dev/outbox')).toBe(200);
    expect(await askAs('evil.example', '/dev/outbox')).toBe(404);
    const [file = ''] = await readdir(folder());
    const id = file.replace(/\..*/, '');
    expect(await askAs(host, `/dev/outbox/${id}`)).toBe(200);
    for (const path of [`/dev/outbox/${id}`, `/dev/outbox/${id}/html`])
      expect(await askAs('evil.example', path)).toBe(404);
    for (const wrong of ['msg_x', '..%2f..%2fmaster', '%2e%2e', `${id}.eml`])
      expect(await askAs(host, `/dev/outbox/${wrong}`), wrong).toBe(404);
  });
});

describe('who carries messages', () => {
  const chosen = (environment: Record<string, string>) => {
    const config = testConfig(environment);
    const senders = chooseSenders(config, { clock: systemClock });
    senders.mail?.close();
    return { mail: senders.mail?.kind, sms: senders.sms?.kind, folder: senders.folder !== undefined, config };
  };
  const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
  const production = { ISSUER: 'https://id.example.com' };

  it('are files in development, and nobody in production, unless a setting says who', () => {
    expect(chosen({})).toMatchObject({ mail: 'files', sms: 'files', folder: true });
    expect(chosen({ SMTP_URL: 'smtp://localhost' })).toMatchObject({ mail: 'smtp', sms: 'files' });
    expect(chosen(production)).toMatchObject({ mail: undefined, sms: undefined, folder: false });
    expect(chosen({ ...production, SMTP_URL: 'smtps://mail.example.com' })).toMatchObject({ mail: 'smtp' });
    const webhook = { SMS_WEBHOOK_URL: 'https://sms.example.com', SMS_WEBHOOK_SECRET: secret };
    expect(chosen({ ...production, ...webhook })).toMatchObject({ sms: 'webhook', mail: undefined });
  });

  it('have no pages where others can reach the server', () => {
    const { folder: present } = gatehouse.services.messages;
    const pagesAt = (issuer: string) => outboxPages({ messages: { folder: present }, site: siteOf(issuer) });
    expect(pagesAt('http://localhost:3000')).toHaveLength(3);
    expect(pagesAt('https://id.example.com')).toEqual([]);
    expect(outboxPages({ messages: { folder: undefined }, site: siteOf('http://localhost:3000') })).toEqual(
      [],
    );
  });

  it('have beside them a page of every component, which is no more served in production', async () => {
    const at = (issuer: string) => {
      const { environment } = loadConfig({ environment: { ISSUER: issuer }, directory: undefined });
      return designPages({ site: siteOf(issuer), config: { environment }, area: { sections: [] } });
    };
    expect(at('http://localhost:3000')).toHaveLength(2);
    expect(at('https://id.example.com')).toEqual([]);
    const site = siteOf('http://localhost:3000');
    const config = { environment: 'production' };
    expect(designPages({ site, config, area: { sections: [] } })).toEqual([]);
    const shown = await fetch(`${gatehouse.issuer}/dev/design?theme=dark&dir=rtl`);
    expect(await shown.text()).toMatch(/<html lang="en" dir="rtl"[\s\S]*href="\/dev\/design\?theme=contrast/);
    expect((await fetch(`${gatehouse.issuer}/dev/design?theme=<x>&dir=up`)).status).toBe(200);
  });

  it('are from the product at the host of the server unless told', () => {
    expect(chosen(production).config.messages.from).toBe('Gatehouse <no-reply@id.example.com>');
  });

  it.each([
    [{ SMTP_URL: 'http://mail.example.com' }, /SMTP_URL must be a URL such as smtps:/],
    [{ SMTP_URL: 'smtp://u:p@mail.example.com/?pool=1' }, /SMTP_URL must end after the host or port/],
    [{ SMTP_FROM: 'Ada <ada@example.com>\r\nBcc: eve@example.com' }, /SMTP_FROM .*must be a mail address/s],
    [{ SMTP_FROM: 'no address' }, /SMTP_FROM .*must be a mail address/],
    [{ MAIL_WEBHOOK_URL: 'https://mail.example.com' }, /MAIL_WEBHOOK_SECRET is not/],
    [{ SMS_WEBHOOK_URL: 'https://sms.example.com' }, /SMS_WEBHOOK_SECRET is not/],
    [
      { SMTP_URL: 'smtp://localhost', MAIL_WEBHOOK_URL: 'https://x.example', MAIL_WEBHOOK_SECRET: secret },
      /mails go one way/,
    ],
    [{ SMS_WEBHOOK_SECRET: 'whsec_short' }, /SMS_WEBHOOK_SECRET must be whsec_/],
  ])('are told when %j is a mistake', (environment, sentence) => {
    const load = () => loadConfig({ environment, directory: undefined });
    expect(load).toThrow(sentence);
    expect(load).not.toThrow(/u:p@/);
  });
});
