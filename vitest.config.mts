// Three projects, one per kind of part: unit (pure, from source), integration (real Redis, engine, sockets),
// e2e (whole stacks: Haraka processes, sidecar, lab; they run the compiled code).
import path from 'node:path'
import { defineConfig } from 'vitest/config'

const alias = [
  {
    find: /^@sluice\/(core|sidecar|lab|run)\/(?!data\/)(.*)$/,
    replacement: path.join(import.meta.dirname, '$1/$2.ts'),
  },
  { find: /^haraka-plugin-sluice-([a-z]+)$/, replacement: path.join(import.meta.dirname, 'plugins/$1/index.ts') },
]

const project = (name: string, seconds: number, parallel: boolean) => ({
  resolve: { alias },
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: seconds * 1000,
    hookTimeout: seconds * 1000,
    fileParallelism: parallel,
    pool: 'forks' as const,
  },
})

export default defineConfig({
  test: { projects: [project('unit', 30, true), project('integration', 60, true), project('e2e', 300, false)] },
})
