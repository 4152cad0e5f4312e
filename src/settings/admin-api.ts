// /api/v1/settings: how this server is configured, for operators to see; never the value of a secret.
import { z } from 'zod';
import { pageReply } from '../platform/api/pages.ts';
import { type Route, route } from '../platform/api/route.ts';
import { describeConfig } from '../platform/config/describe.ts';
import { type Config, originsOf } from '../platform/config/load.ts';

const SettingView = z
  .object({
    name: z.string(),
    value: z.string().nullable().describe('As text; null for a secret.'),
    secret: z.boolean(),
    origin: z.string().describe('Where the value comes from: `default`, `environment`, or a file.'),
    sentence: z.string(),
  })
  .meta({ id: 'Setting' });

export function settingRoutes({ config }: { config: Config }): Route[] {
  return [
    route({
      operation: 'listSettings',
      method: 'GET',
      path: '/settings',
      permission: 'settings:read',
      limit: 'admin-read',
      summary: 'Every setting of the node that answers: the value that holds and where it comes from.',
      reply: { 200: pageReply(SettingView) },
      run: () => ({
        items: describeConfig(config, originsOf(config)).map((line) => ({
          ...line,
          value: line.secret ? null : line.value,
        })),
        nextCursor: null,
      }),
    }),
  ];
}
