# The page of --listen: its style and its scripts go into the one file that is served.
# cmake -DOUT=page.html -DIN=page.html -DCSS=page.css "-DJS=a.js;b.js" -P page.cmake
cmake_minimum_required(VERSION 3.20)
file(READ ${IN} page)
file(READ ${CSS} css)
set(js "")
foreach(file ${JS})
	file(READ ${file} text)
	string(APPEND js "${text}")
endforeach()
string(REPLACE "@CSS@" "${css}" page "${page}")
string(REPLACE "@JS@" "${js}" page "${page}")
file(WRITE ${OUT} "${page}")
