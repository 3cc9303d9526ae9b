// The import rules: decisions are pure, plugins and sidecar never meet except in core, the spool and Redis.
'use strict'

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

module.exports = {
  forbidden: [
    rule('no-cycles', 'A cycle hides which file is the lower one.', {}, { circular: true }),
    rule(
      'core-is-pure',
      'core/ has no I/O: no node built-in but path, url, crypto and util; no package but zod and yaml.',
      { path: '^core/' },
      { path: '.', pathNot: ['^core/', '^(node:)?(path|url|crypto|util|net)$', 'node_modules/(zod|yaml|re2js)/'] },
    ),
    rule(
      'plugins-know-no-sidecar',
      'They meet in core/, the spool and Redis.',
      { path: '^plugins/' },
      { path: '^(sidecar|lab|run)/' },
    ),
    rule(
      'sidecar-knows-no-plugins',
      'They meet in core/, the spool and Redis.',
      { path: '^sidecar/' },
      { path: '^(plugins|lab|run)/' },
    ),
    rule(
      'lab-is-a-stranger',
      'A receiver knows nothing of the sender.',
      { path: '^lab/' },
      { path: '^(plugins|sidecar|run)/' },
    ),
    rule(
      'only-host-touches-haraka',
      'Haraka internals are reached through plugins/host.',
      { path: '^plugins/(?!host/)' },
      { path: 'node_modules/Haraka/' },
    ),
    rule(
      'no-tests-in-product',
      'Product code does not import tests.',
      { path: '^(core|plugins|sidecar|lab|run)/' },
      { path: '^(test|bench)/' },
    ),
  ],
  options: {
    doNotFollow: { path: ['node_modules', 'dist'] },
    exclude: { path: ['(^|/)dist/'] },
    tsConfig: { fileName: 'tsconfig.base.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: [], conditionNames: ['types', 'require'] },
  },
}
