// Language and appearance: in which words, colours and time the pages, and the mails, are.
import { z } from 'zod';
import type { Accounts } from '../accounts/accounts.ts';
import { isTimeZone } from '../lib/time-zone.ts';
import { accountPage, type Page } from '../platform/http/page.ts';
import type { I18n } from '../platform/i18n.ts';
import { appearances } from '../vocabulary/appearances.ts';

const PATH = '/account/appearance';
const NAV = 'appearance';

export function appearancePages({
  accounts,
  i18n,
}: {
  accounts: Pick<Accounts, 'find' | 'change'>;
  i18n: I18n;
}): Page[] {
  // Empty: as the browser wants; in universal time.
  const Form = z.object({
    language: z.literal(['', ...i18n.locales]),
    zone: z
      .string()
      .max(64)
      .refine((zone) => zone === '' || isTimeZone(zone)),
    appearance: z.enum(appearances),
  });
  const languages = i18n.locales.map((value) => ({ value, label: nameIn(value), lang: value }));
  const zones = Intl.supportedValuesOf('timeZone').map((zone) => ({
    value: zone,
    label: zone.replaceAll('_', ' '),
  }));

  return [
    accountPage({
      method: 'GET',
      path: PATH,
      limit: 'page',
      run: ({ person, t }) => ({
        kind: 'view',
        view: 'self-service/appearance',
        title: 'account.appearance.title',
        nav: NAV,
        model: {
          action: PATH,
          language: chosenIn(person.locale, i18n.locales),
          languages: [{ value: '', label: t('account.appearance.language.browser') }, ...languages],
          zone: person.zone ?? '',
          zones: [{ value: '', label: t('account.appearance.zone.none') }, ...withOwn(zones, person.zone)],
          appearance: person.theme,
          appearances: appearances.map((value) => ({
            value,
            label: t(`account.appearance.colours.${value}`),
            hint: t(`account.appearance.colours.${value}.hint`),
          })),
        },
      }),
    }),

    accountPage({
      method: 'POST',
      path: PATH,
      limit: 'page',
      form: Form,
      async run({ person: { accountId }, form }) {
        // Every value comes from a list: what is none of them was not chosen on this page.
        if (form === undefined) return { kind: 'redirect', to: PATH };
        const { language, zone, appearance } = form;
        await accounts.change(
          accountId,
          { locale: language || null, zoneinfo: zone || null, appearance },
          { kind: 'account', id: accountId },
        );
        return { kind: 'redirect', to: `${PATH}?done=saved` };
      },
    }),
  ];
}

/** `de-AT` reads the pages in `de`. */
function chosenIn(locale: string | null, locales: readonly string[]): string {
  const wanted = locale?.toLowerCase() ?? '';
  return locales.find((one) => one === wanted) ?? locales.find((one) => one === wanted.split('-')[0]) ?? '';
}

/** A zone may have more names than one; theirs stays. */
function withOwn(zones: { value: string; label: string }[], own: string | null) {
  return own === null || zones.some(({ value }) => value === own)
    ? zones
    : [{ value: own, label: own }, ...zones];
}

function nameIn(locale: string): string {
  const name = new Intl.DisplayNames(locale, { type: 'language' }).of(locale) ?? locale;
  return name.charAt(0).toLocaleUpperCase(locale) + name.slice(1);
}
