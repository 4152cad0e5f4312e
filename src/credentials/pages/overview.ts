// The security page: the password, the second factors, the recovery codes, and the browsers that are remembered.
import { z } from 'zod';
import { createDates, type Dates } from '../../lib/dates.ts';
import { browserIn } from '../../lib/people/user-agent.ts';
import { accountPage, type Page } from '../../platform/http/page.ts';
import type { Translate } from '../../platform/i18n.ts';
import type { Device } from '../devices/devices.ts';
import { type Factor, FEW_RECOVERY_CODES } from '../schema.ts';
import { byThemselves, icons, SECURITY, type SecurityPageDeps, securityView } from './frame.ts';

/** After these it is offered to end what is signed in elsewhere. */
const CHANGES = ['factor-added', 'factor-removed'];

interface Telling {
  readonly t: Translate;
  readonly day: Dates['day'];
}

export function overviewPages(deps: SecurityPageDeps): Page[] {
  const dates = createDates();
  return [
    accountPage({
      method: 'GET',
      path: SECURITY,
      limit: 'page',
      query: z.object({ done: z.string().max(40).optional().catch(undefined) }),
      async run({ person: { accountId, zone }, query, ctx, locale, t }) {
        const telling = { t, ...dates(locale, zone) };
        const { factors } = deps.credentials;
        const [hasPassword, list, left, browsers] = await Promise.all([
          deps.credentials.hasPassword(accountId),
          factors.list(accountId),
          factors.recoveryCodes.left(accountId),
          deps.devices.list(accountId, deps.devices.cookie.read(ctx.req)),
        ]);
        return securityView('overview', 'security.title', {
          hasPassword,
          factors: list.map((factor) => factorRow(factor, telling)),
          adding: addingRows(deps, t),
          recovery: list.length === 0 ? null : { left, isFew: left < FEW_RECOVERY_CODES },
          browsers: browsers.map((browser) => browserRow(browser, telling)),
          offersEnd: CHANGES.includes(query.done ?? ''),
        });
      },
    }),

    accountPage({
      method: 'POST',
      path: `${SECURITY}/others`,
      limit: 'page',
      sensitive: true,
      async run({ person }) {
        await deps.sessions.endOthers(person.accountId, person.sessionId, byThemselves(person));
        return { kind: 'redirect', to: `${SECURITY}?done=others-ended` };
      },
    }),

    accountPage({
      method: 'POST',
      path: `${SECURITY}/browsers`,
      limit: 'page',
      form: z.object({ browser: z.string().max(64) }),
      async run({ person, form }) {
        const by = byThemselves(person);
        if (form?.browser === 'all') await deps.devices.forgetAll(undefined, person.accountId, by);
        else if (form !== undefined) await deps.devices.forget(person.accountId, form.browser, by);
        return { kind: 'redirect', to: `${SECURITY}?done=browser-forgotten` };
      },
    }),
  ];
}

function browserRow(
  { id, userAgent, address, seenAt, rememberedUntil, isThis }: Device,
  { t, day }: Telling,
) {
  const until = day(rememberedUntil ?? seenAt);
  return {
    icon: 'device',
    title: browserIn(t, userAgent) ?? t('security.browsers.unknown'),
    lines: [
      t('security.browsers.line', { seen: day(seenAt), until }),
      ...(address === null ? [] : [address]),
    ],
    ...(isThis && { badge: { kind: 'good', text: t('security.browsers.this') } }),
    actions: [
      { label: t('security.browsers.forget'), action: `${SECURITY}/browsers`, fields: { browser: id } },
    ],
  };
}

function factorRow(factor: Factor, { t, day }: Telling) {
  const { id, kind, name, createdAt, lastUsedAt, disabledAt, details } = factor;
  const used =
    lastUsedAt === null
      ? t('security.factor.neverUsed')
      : t('security.factor.used', { date: day(lastUsedAt) });
  return {
    icon: icons[kind],
    title: name,
    lines: [
      // Most are called what they are.
      ...[kindIn(t, factor)].filter((named) => named !== name),
      ...(kind === 'sms' || kind === 'mail' ? [String(details.to)] : []),
      `${t('security.factor.added', { date: day(createdAt) })} · ${used}`,
    ],
    ...(disabledAt !== null && { badge: { kind: 'bad', text: t('security.factor.disabled') } }),
    actions: [
      { label: t('security.factor.rename'), hidden: name, href: `${SECURITY}/factors/${id}` },
      { label: t('security.factor.remove'), hidden: name, href: `${SECURITY}/factors/${id}/remove` },
    ],
  };
}

/** A passkey also says whether it is on one device only: losing that one is losing it. */
export function kindIn(t: Translate, { kind, details }: Pick<Factor, 'kind' | 'details'>): string {
  const named = t(`security.kind.${kind}`);
  if (kind !== 'passkey') return named;
  const place = details.backedUp === true ? 'synced' : details.synced === true ? 'syncable' : 'single';
  return `${named} · ${t(`security.passkey.${place}`)}`;
}

/** Codes only where this server can send them. */
function addingRows({ messages }: SecurityPageDeps, t: Translate) {
  const ways = [
    { kind: 'passkey', path: 'passkeys', isThere: true },
    { kind: 'totp', path: 'authenticator', isThere: true },
    { kind: 'sms', path: 'codes/sms', isThere: messages.canSend('sms') },
    { kind: 'mail', path: 'codes/mail', isThere: messages.canSend('mail') },
  ] as const;
  return ways
    .filter(({ isThere }) => isThere)
    .map(({ kind, path }) => ({
      icon: icons[kind],
      title: t(`security.add.${kind}`),
      lines: [t(`security.add.${kind}.about`)],
      href: `${SECURITY}/${path}`,
    }));
}
