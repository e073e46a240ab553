import { effect } from '@preact/signals'
import { render } from 'preact'
import { t } from '../src/i18n.ts'
import { keyOfAddress } from '../src/links.ts'
import { PageFrame } from '../src/page-frame.tsx'
import { valueTitle } from './current-value.tsx'
import { ViewerPage } from './viewer-page.tsx'
import { watchKey } from './watched-key.ts'
import './viewer.css'

const key = keyOfAddress(location)
const watched = key === undefined ? undefined : watchKey(key)

effect(() => {
  const value = watched?.state.value ? valueTitle(watched.state.value) : undefined
  const title = key === undefined ? 'LiveKV' : t('viewer.title', { key })
  document.title = value === undefined ? title : `${value} · ${title}`
})

render(
  <PageFrame page="viewer" connection={watched?.connection}>
    <ViewerPage keyName={key} watched={watched} />
  </PageFrame>,
  document.getElementById('page')!,
)
