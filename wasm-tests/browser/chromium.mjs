/* A real Chromium, and a page under the demo's content security policy to try the package in. */
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { serve } from '../../web/demo/serve.mjs'
import { directory, dist } from '../support.mjs'

const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  .find((path) => path && existsSync(path))

/** The reason to skip, or false. */
export const noChromium = !executablePath && 'no Chromium here (apt-get install chromium, or CHROMIUM=path)'

export function launch() {
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox', // as root there is none to be had
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      // Everything Chromium would ask its maker for.
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/**
 * A blank page beside the package (/dist) and whatever `mounts` adds, with everything that must
 * not happen collected in `trouble`: errors, policy violations, requests to elsewhere.
 */
export async function blankPage(t, browser, mounts = {}) {
  const home = directory(t, {
    'index.html': '<!doctype html><title>test</title><link rel="icon" href="icon.svg">',
    'icon.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
  })
  const { server, url } = await serve({ mounts: { '/': home, '/dist': dist, ...mounts } })
  const context = await browser.newContext()
  const page = await context.newPage()
  const trouble = watch(page, url)
  t.after(async () => {
    await context.close()
    server.close()
    server.closeAllConnections()
  })
  await page.goto(url)
  return { page, context, server, url, trouble }
}

/** Collects what must not happen on a page; the list that is returned grows. */
export function watch(page, origin) {
  const trouble = []
  page.on('pageerror', (error) => trouble.push(`error: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error') trouble.push(`console: ${message.text()}`)
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !/^(blob|data):/.test(request.url())) trouble.push(`request: ${request.url()}`)
  })
  return trouble
}
