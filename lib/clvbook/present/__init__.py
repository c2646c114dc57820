"""Frames -> what people look at: words, tables, tiles and charts. No arithmetic on customers happens here.

in: a frame, or a number that somebody else computed   out: text, or an object that a notebook displays
"""
