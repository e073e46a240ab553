'use strict'
const { spawn } = require('node:child_process')
const fs = require('node:fs')

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP']
const PARENT_CHECK_MS = 250

/**
 * Runs a program to its end; resolves with `{ code, signal, output }`.
 *
 * `show: true` gives it our own terminal; else its output is kept and returned. A signal to us goes on to the
 * program, and we stay until it has ended. Ctrl-C in a terminal reaches the whole process group by itself, so
 * there only we must not die of it. A signal to npm ends the shell that npm runs us in and nothing else, and SIGKILL
 * not even that: we notice that our parent, or npm above it, has gone, and end the program.
 */
function run(command, args, { show = false, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: show ? 'inherit' : ['ignore', 'pipe', 'pipe'], ...options })
    const forward = (signal) => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    }
    for (const signal of FORWARDED) process.on(signal, forward)
    const starters = startedBy()
    const parentCheck = setInterval(() => {
      if (startedBy() === starters || process.env.npm_lifecycle_event === undefined) return
      clearInterval(parentCheck)
      child.kill('SIGTERM')
    }, PARENT_CHECK_MS)
    const finish = () => {
      clearInterval(parentCheck)
      for (const signal of FORWARDED) process.off(signal, forward)
    }

    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    }
    child.on('error', (error) => {
      finish()
      reject(error)
    })
    child.on('close', (code, signal) => {
      finish()
      resolve({ code, signal, output })
    })
  })
}

/** Our parent, and npm too where our parent is only the shell between (Linux). */
function startedBy() {
  const parent = process.ppid
  try {
    const [, name, above] = /^\d+ \((.*)\) \S (\d+)/s.exec(fs.readFileSync(`/proc/${parent}/stat`, 'utf8'))
    return name === 'sh' ? `${parent} ${above}` : `${parent}`
  } catch {
    return `${parent}`
  }
}

/** Ends this process the way a program it ran has ended. */
function exitLike({ code, signal }) {
  if (signal) process.kill(process.pid, signal)
  else process.exitCode = code
}

/** For an entry: what was thrown is said in one paragraph, without a stack, and ends the process. */
function main(work) {
  work().then(exitLike, (error) => {
    if (error.ended) return exitLike(error.ended)
    console.error(error.message)
    process.exitCode = 1
  })
}

/** A step that did not end well: its output and the remedy; a step ended by a signal says nothing. */
function stepFailed(what, result) {
  const error = new Error(`${result.output.trim()}\n\n${what}`)
  if (result.signal || result.code > 128) error.ended = result
  return error
}

module.exports = { run, main, exitLike, stepFailed }
