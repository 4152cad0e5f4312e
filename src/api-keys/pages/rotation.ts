// A new secret for a key: the one before works on for as long as is chosen.
import { z } from 'zod';
import { AppError } from '../../platform/errors.ts';
import { accountPage, type Page, type PageResult } from '../../platform/http/page.ts';
import { waitInWords } from '../../platform/http/render-page.ts';
import { overlapsWithin } from './choices.ts';
import { KEYS, type KeyInput, type KeyPageDeps, keyOf, keyView, mistakesIn, pathOf } from './frame.ts';
import { makeOnce, onceToken } from './once.ts';

const path = `${KEYS}/:id/rotate`;
const Params = z.object({ id: z.string().max(64) });
const Form = z.object({ overlap: z.string().regex(/^\d{1,9}$/) });

const DAY = 86_400;

export function rotationPages(deps: KeyPageDeps): Page[] {
  const settings = deps.config.apiKeys;

  async function show(
    { person, t }: KeyInput,
    id: string,
    mistakes: Readonly<Record<string, string>> = {},
  ): Promise<PageResult> {
    const { key } = await keyOf(person, id, 'own-api-keys:update', deps);
    const said = (name: string) => (mistakes[name] === undefined ? null : t(mistakes[name]));
    const model = {
      name: key.name,
      action: `${pathOf(key)}/rotate`,
      cancel: pathOf(key),
      once: onceToken(),
      overlap: String(settings.overlapSeconds),
      overlaps: overlapsWithin(settings).map((seconds) => ({
        value: String(seconds),
        label: overlapInWords(seconds, t),
      })),
      error: said('form'),
      fieldErrors: { overlap: said('overlapSeconds') },
    };
    return keyView('rotate', t('keys.rotate.title'), model, Object.keys(mistakes).length > 0 ? 400 : 200);
  }

  return [
    accountPage({
      method: 'GET',
      path,
      limit: 'page',
      sensitive: true,
      params: Params,
      run: (input) => show(input, input.params.id),
    }),
    accountPage({
      method: 'POST',
      path,
      limit: 'page',
      sensitive: true,
      params: Params,
      form: Form,
      async run(input) {
        const { person, params, form } = input;
        if (form === undefined) return show(input, params.id, { overlapSeconds: 'keys.error.overlap' });
        const { key, as } = await keyOf(person, params.id, 'own-api-keys:update', deps);
        try {
          const head = { route: `POST ${path} ${key.id}`, title: 'keys.rotated.title', next: pathOf(key) };
          return await makeOnce(deps, { ...head, person, typed: input.typed, as }, async () => {
            const overlapSeconds = Number(form.overlap);
            const { secret } = await deps.apiKeys.rotate(key.id, { overlapSeconds }, as);
            return { name: key.name, secret, next: pathOf(key) };
          });
        } catch (error) {
          const mistakes = error instanceof AppError ? mistakesIn(error) : undefined;
          if (mistakes === undefined) throw error;
          return show(input, key.id, mistakes);
        }
      },
    }),
  ];
}

function overlapInWords(seconds: number, t: KeyInput['t']): string {
  if (seconds === 0) return t('keys.overlap.none');
  if (seconds % DAY !== 0 || seconds === DAY) return waitInWords(t, seconds);
  return t('keys.life.days', { count: seconds / DAY });
}
